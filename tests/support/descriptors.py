"""What this process has open: a test that is to leave nothing behind looks before and after."""

import os
import socket
from collections import Counter
from contextlib import suppress

_FOLDER = "/proc/self/fd"


def descriptors() -> Counter[str]:
    """Of each kind how many, by what the kernel calls them; without connections.

    Kafka's clients of other tests live on in the same process: their connections come and go by themselves.
    """
    found = Counter[str]()
    for name in os.listdir(_FOLDER):
        with suppress(OSError):  # it is closed by now, as the one is that this list was read through
            what = os.readlink(f"{_FOLDER}/{name}")
            if not (what.startswith("socket:") and _is_connection(int(name))):
                found[what] += 1
    return found


def _is_connection(descriptor: int) -> bool:
    with socket.socket(fileno=os.dup(descriptor)) as one:
        return one.family in (socket.AF_INET, socket.AF_INET6)
