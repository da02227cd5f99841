"""When a handler process has served long enough.

The loops enter after each stretch of work. Pure but for the one file that tells this process's size; leaving
is the loop's business, and a process that grows too large within a call is the supervisor's.
"""

import os
import random
from pathlib import Path

_STATM = Path("/proc/self/statm")
_EARLIEST = 0.9


def staggered(max_messages: int | None, luck: float | None = None) -> int | None:
    """This process's own limit: up to a tenth below the route's, so that a pool is not replaced at once."""
    if max_messages is None:
        return None
    share = _EARLIEST + (1 - _EARLIEST) * (random.random() if luck is None else luck)
    return max(1, round(max_messages * share))


def resident_bytes() -> int:
    """What of this process is in memory; 0 when the system does not say."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


class Limits:
    """The two limits of one process."""

    def __init__(self, max_messages: int | None, max_rss_bytes: int | None) -> None:
        self.max_messages = staggered(max_messages)
        self.max_rss_bytes = max_rss_bytes
        self.executed = 0

    @property
    def left(self) -> int | None:
        """Messages that may still begin, None = any number."""
        return None if self.max_messages is None else max(0, self.max_messages - self.executed)

    def reached(self) -> str:
        """Why this process should be replaced, or nothing; cheap enough for every claim."""
        if self.max_messages is not None and self.executed >= self.max_messages:
            return f"it executed {self.executed} messages"
        return ""

    def outgrown(self) -> str:
        """The same for its size, which takes a system call."""
        if self.max_rss_bytes is None:
            return ""
        size_bytes = resident_bytes()
        return f"it has {size_bytes} bytes resident" if size_bytes > self.max_rss_bytes else ""
