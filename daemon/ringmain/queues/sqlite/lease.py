"""A taker's number: what it holds carries it, and it is worth something only while its lock is held.

The taker holds one and also buries the others: a number whose lock is free belongs to nobody any more, and
what it held is free again. LOSS: the row of a number appears only after its lock is held, so a living
taker is never taken for dead.
"""

import sqlite3
from pathlib import Path

from ringmain.queues.sqlite import rows
from ringmain.queues.sqlite.locks import LockFile

_LOOK_S = 10.0
_AGAIN_S = (0.02, 0.2)


class Lease:
    """One taker's number and lock, and its eye on the other takers."""

    def __init__(self, lock_path: Path) -> None:
        self._lock_path = lock_path
        self._locks: LockFile | None = None
        self.number: int | None = None
        self.next_look_s = 0.0
        self._again_s: list[float] = []

    def ensure(self, connection: sqlite3.Connection) -> int:
        """Our number, entered in this transaction if it is new, or if the file was replaced under us."""
        if self._locks is not None and not self._locks.is_current():
            self.close()  # deleted under us: whoever opens the new one takes us for dead
        if self._locks is None:
            self._locks = LockFile(self._lock_path)
        if self.number is None or not rows.is_taker(connection, self.number):
            self.number = rows.add_taker(connection)
            while not self._locks.try_hold(self.number):  # the file was replaced: taken in the old one's time
                self.number = rows.add_taker(connection)
        return self.number

    def look_soon(self, now_s: float) -> None:
        """A lock file was closed. ORDER: the kernel tells of it just before it frees the lock: look again."""
        self.next_look_s = now_s
        self._again_s = [now_s + pause_s for pause_s in _AGAIN_S]

    def is_time(self, now_s: float) -> bool:
        """Shall the others be looked at now? Asked by the loop, which then looks."""
        if now_s < self.next_look_s or self._locks is None:
            return False
        self.next_look_s = self._again_s.pop(0) if self._again_s else now_s + _LOOK_S
        return True

    def has_dead_peers(self, connection: sqlite3.Connection) -> bool:
        """Has a number outlived its taker?"""
        return bool(self._dead_peers(connection))

    def bury_peers(self, connection: sqlite3.Connection) -> None:
        """Free what dead takers held, and forget them."""
        for number in self._dead_peers(connection):
            rows.free_all(connection, number)

    def _dead_peers(self, connection: sqlite3.Connection) -> list[int]:
        locks = self._locks
        if locks is None:
            return []
        others = [number for number in rows.takers(connection) if number != self.number]
        return [number for number in others if not locks.is_held_by_another(number)]

    def close(self) -> None:
        """Let the lock go: what is still held under the number is free."""
        self.number = None
        if self._locks is not None:
            self._locks.close()
            self._locks = None
