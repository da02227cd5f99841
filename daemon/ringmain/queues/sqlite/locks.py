"""Byte locks on one file beside the queue file: the proof that a taker lives.

Byte 0 is held while the tables are made, byte N by taker N for as long as its process lives. They belong
to an open file description: the kernel lets them go with its last descriptor, however the process ends.
"""

import fcntl
import os
import struct
from pathlib import Path

_FLOCK = struct.Struct("@hhqqi0q")
SETUP = 0


class LockFile:
    """One open descriptor of the lock file; locks taken by it end with it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def hold(self, number: int) -> None:
        """Take byte `number`, waiting for it."""
        fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLKW, _flock(fcntl.F_WRLCK, number))

    def try_hold(self, number: int) -> bool:
        """Take byte `number`; False when another descriptor has it."""
        try:
            fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, _flock(fcntl.F_WRLCK, number))
        except BlockingIOError:
            return False
        return True

    def release(self, number: int) -> None:
        """Let byte `number` go."""
        fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, _flock(fcntl.F_UNLCK, number))

    def is_held_by_another(self, number: int) -> bool:
        """Does another descriptor, in whatever process, hold byte `number`?"""
        answer = fcntl.fcntl(self._descriptor, fcntl.F_OFD_GETLK, _flock(fcntl.F_WRLCK, number))
        return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)

    def is_current(self) -> bool:
        """Is it still the file that others open by this path?"""
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            return False
        ours = os.fstat(self._descriptor)
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def close(self) -> None:
        """Let everything go."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _flock(kind: int, number: int) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, number, 1, 0)
