"""Signs of life of a node's processes, in shared memory.

Each child beats in its own row, the supervisor reads ages. A beat is one store; nothing is locked or sent.
"""

import mmap
import os

from ringmain import clock

_ROW_BYTES = 64


class Board:
    """`rows` beats on the monotonic clock. Made before the forks, inherited, without a name."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._fd = os.memfd_create("ringmain-board")
        os.ftruncate(self._fd, rows * _ROW_BYTES)
        self._memory = mmap.mmap(self._fd, rows * _ROW_BYTES)
        self._beats = memoryview(self._memory).cast("Q")

    def grow(self, rows: int) -> None:
        """Room for more; children that were forked before keep what they have mapped, and their rows."""
        if rows <= self.rows:
            return
        self._beats.release()
        try:
            self._memory.resize(rows * _ROW_BYTES)
            self.rows = rows
        finally:
            self._beats = memoryview(self._memory).cast("Q")

    def beat(self, row: int) -> None:
        """This process is alive and its loop goes round."""
        self._beats[row * 8] = clock.monotonic_ns()

    def age_s(self, row: int) -> float:
        """Seconds since the row's last beat."""
        return max(0, clock.monotonic_ns() - self._beats[row * 8]) / 1e9

    def fds(self) -> list[int]:
        """The board's file descriptor."""
        return [self._fd]

    def close(self) -> None:
        """Let go of the memory."""
        self._beats.release()
        self._memory.close()
        os.close(self._fd)
