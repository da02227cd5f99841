"""What the app of a scenario does beside its work: it writes down what happens and waits at named points.

Copied beside the app by support/scenario.py, and imported there by `from witness import …`. Each line goes
out in one write of a file opened for appending, so it survives a kill -9 and never mixes with another's.
"""

import asyncio
import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
GATES = FOLDER / "gates"
_PAUSE_S = 0.005
_files: dict[int, int] = {}


def tell(event: str, message: Any = None, **more: Any) -> None:
    """Write down that `event` happened, to `message` if it is about one."""
    line: dict[str, Any] = {"event": event, "pid": os.getpid(), "at_ns": time.monotonic_ns(), **more}
    if message is not None:
        key = message.key.decode(errors="replace") if message.key is not None else None
        line |= {"topic": message.topic, "partition": message.partition, "offset": message.offset}
        line |= {"key": key, "attempt": message.attempt, "channel": message.channel}
    os.write(_file(), json.dumps(line).encode() + b"\n")


def first_time(name: str) -> bool:
    """True for the first who asks, over all processes and for ever."""
    GATES.mkdir(exist_ok=True)
    try:
        os.close(os.open(GATES / f"first-{name}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def is_open(gate: str) -> bool:
    """Has the test opened this gate?"""
    return (GATES / gate).exists()


def wait_at(gate: str, message: Any = None) -> None:
    """Say that somebody waits here, and wait until the test opens the gate."""
    tell(f"at {gate}", message)
    while not is_open(gate):
        time.sleep(_PAUSE_S)


async def wait_at_async(gate: str, message: Any = None) -> None:
    """The same on an event loop."""
    tell(f"at {gate}", message)
    while not is_open(gate):
        await asyncio.sleep(_PAUSE_S)


def block_for(seconds: float) -> None:
    """Sleep in the call itself, whatever loop it is on."""
    time.sleep(seconds)


def _file() -> int:
    """One descriptor for each process; opened again if the app closed it."""
    fd = _files.get(os.getpid(), -1)
    with contextlib.suppress(OSError):
        if fd >= 0 and os.readlink(f"/proc/self/fd/{fd}") == str(FOLDER / "events.jsonl"):
            return fd
    fd = os.open(FOLDER / "events.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    _files[os.getpid()] = fd
    return fd
