"""One supervisor of a name and node: the lock in the runtime directory, which several names may share.

`run` enters. The lock is the kernel's (flock), so a file left by a killed supervisor is no obstacle.
"""

import contextlib
import fcntl
import os
from pathlib import Path

from ringmain.errors import RingmainError


class Lock:
    """Held from `take` to `release`, or until the process ends."""

    def __init__(self, directory: Path, name: str, node: str) -> None:
        self._directory = directory
        self._path = directory / f"{name}.{node}.lock"
        self._fd = -1
        self._made: list[Path] = []

    def take(self) -> None:
        """Take it, or raise naming the process that holds it."""
        try:
            self._fd = self._locked_file()
        except BlockingIOError:
            raise RingmainError(f"{self._path} is held by process {self._holder()}: stop it first") from None
        except OSError as error:
            why = f"{error.strerror}: set runtime_dir to another place"
            raise RingmainError(f"{self._path}: {why}") from error
        os.ftruncate(self._fd, 0)
        os.write(self._fd, f"{os.getpid()}\n".encode())

    def _locked_file(self) -> int:
        """Open and lock the file that bears the name now: the former holder may remove it in between."""
        while True:
            self._make_directory()
            try:
                fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:  # the former holder has just removed the directory
                continue
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(fd).st_ino == os.stat(self._path).st_ino:
                    return fd
            except FileNotFoundError:
                pass
            except OSError:
                os.close(fd)
                raise
            os.close(fd)

    def _make_directory(self) -> None:
        missing = [path for path in (self._directory, *self._directory.parents) if not path.exists()]
        self._made = missing or self._made
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _holder(self) -> str:
        try:
            return self._path.read_text().strip()
        except OSError:
            return "(unknown)"

    def let_go(self) -> None:
        """In a child: the lock is the supervisor's and must not outlive it."""
        os.close(self._fd)

    def release(self) -> None:
        """Remove the file, then free the lock; the directories too that this lock made."""
        with contextlib.suppress(OSError):
            os.unlink(self._path)
        os.close(self._fd)
        with contextlib.suppress(OSError):
            for directory in self._made:
                directory.rmdir()
