"""Waits until a node has ended: `ringmain stop --wait`.

act.py enters. Of this machine's node the lock is watched, which the kernel frees at the very end of the
supervisor; of another one its admin.
"""

import fcntl
import os

from ringmain import clock
from ringmain.cli.client import Client, socket_paths
from ringmain.config.schema import Config
from ringmain.control import Look
from ringmain.errors import NoAnswer

EVERY_S = 0.1


def wait_for_its_end(client: Client) -> None:
    """Return when it is no more."""
    while not _has_ended(client):
        clock.sleep_s(EVERY_S)


def _has_ended(client: Client) -> bool:
    if client.config is not None:
        return not any(_is_held(path) for path in _locks(client.config))
    assert client.remote is not None
    try:
        client.remote.ask(Look(), timeout_s=EVERY_S * 50)
    except NoAnswer:
        return True
    return False


def _locks(config: Config) -> list[str]:
    return [f"{path.removesuffix('.control')}.lock" for path in socket_paths(config)]


def _is_held(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
