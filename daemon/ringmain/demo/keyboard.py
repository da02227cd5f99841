"""Lines that a developer types, as they come; nobody ever waits for one.

development.py enters. What a line means is not known here.
"""

import os
import select
import sys

_MOST_BYTES = 1 << 16


class Keyboard:
    """Standard input, as long as it is open and this process may read it."""

    def __init__(self, fd: int | None = None) -> None:
        self._fd = sys.stdin.fileno() if fd is None and sys.stdin else fd
        self._rest = b""

    def lines(self) -> list[str]:
        """Those that are complete by now."""
        while self._fd is not None and self._is_readable(self._fd):
            read = os.read(self._fd, _MOST_BYTES)
            if not read:
                self._fd = None
            self._rest += read
        *complete, self._rest = self._rest.split(b"\n")
        return [line.decode(errors="replace").strip() for line in complete]

    def _is_readable(self, fd: int) -> bool:
        # In the background of a terminal, reading would stop this process.
        if os.isatty(fd) and not _is_ours(fd):
            return False
        return bool(select.select([fd], [], [], 0)[0])


def _is_ours(terminal: int) -> bool:
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:  # another session's
        return False
