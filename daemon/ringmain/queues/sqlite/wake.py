"""How a taker that sleeps learns at once of new messages, and of another taker's death.

Each queue has an empty file in the wake folder; whoever commits a message touches it, and takers watch it
with inotify. The kernel tells of a taker's death by the same means: its lock file is closed. A touch may be
missed (its author died before it, inotify is not to be had), so takers also look by themselves: see taker.py.
"""

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

_IN_ATTRIB = 0x4
_IN_CLOSE_WRITE = 0x8
_IN_IGNORED = 0x8000
_EVENT = struct.Struct("@iIII")
_READ_BYTES = 1 << 16


class Bell:
    """A publisher's end: touches the files of queues that have got something."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ring(self, queues: Iterable[str]) -> None:
        """Tell the takers of these queues; after the commit, and never a reason to fail."""
        for queue in queues:
            with contextlib.suppress(OSError):  # nobody has listened yet: there is no file
                os.utime(self._folder / queue)


class Watch:
    """A taker's end: one descriptor that is readable when something happened."""

    def __init__(self, folder: Path, queues: Iterable[str], lock_path: Path) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._lock_watch = -1
        self.is_deaf = self._descriptor < 0
        self.is_broken = False
        for queue in queues:
            make_touchable(folder / queue)
            self._add(folder / queue, _IN_ATTRIB)
        self._lock_watch = self._add(lock_path, _IN_CLOSE_WRITE)

    def _add(self, path: Path, mask: int) -> int:
        if self.is_deaf:
            return -1
        watch = int(self._libc.inotify_add_watch(self._descriptor, os.fsencode(path), mask))
        self.is_deaf = watch < 0
        return watch

    def fileno(self) -> int | None:
        """None when inotify is not to be had: then one has to look often."""
        return self._descriptor if self._descriptor >= 0 else None

    def drain(self) -> tuple[bool, bool]:
        """(something was published, a taker may have died) since the last call."""
        if self._descriptor < 0:
            return False, False
        published = ended = False
        with contextlib.suppress(BlockingIOError):
            while True:
                for watch, mask in _events(os.read(self._descriptor, _READ_BYTES)):
                    self.is_broken |= bool(mask & _IN_IGNORED)
                    ended |= watch == self._lock_watch
                    published |= watch != self._lock_watch
        return published, ended

    def close(self) -> None:
        """Stop watching."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def make_touchable(path: Path) -> None:
    """An empty file whose only use is to be touched, where there is none."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _events(data: bytes) -> Iterable[tuple[int, int]]:
    position = 0
    while position + _EVENT.size <= len(data):
        watch, mask, _cookie, name_bytes = _EVENT.unpack_from(data, position)
        position += _EVENT.size + name_bytes
        yield watch, mask
