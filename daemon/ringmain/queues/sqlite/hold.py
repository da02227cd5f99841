"""Acting on the dead set of the queue file: what is picked is replayed or removed, a batch a transaction.

A bulk job enters, by SqliteDeadSet.hold. LOSS: the row in `ready` and the end of the row in the dead set are
one durable transaction, so a message is always in exactly one of them. A file that is busy is waited for.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TypeVar

from ringmain import clock
from ringmain.queues import names
from ringmain.queues.contract import Acted, Dead
from ringmain.queues.envelope import encode
from ringmain.queues.filters import Filter
from ringmain.queues.replay import GONE, anew, parted
from ringmain.queues.sqlite import query
from ringmain.queues.sqlite.deadrows import DeadRows
from ringmain.queues.sqlite.holder import HolderLock
from ringmain.queues.sqlite.store import Work
from ringmain.queues.sqlite.wake import Bell

T = TypeVar("T")

_BATCH_BYTES = 16 << 20
_MESSAGE = "INSERT INTO message (id, queue, delay_s, due_ms, size_bytes) VALUES (?, ?, 0, ?, ?)"


class SqliteHold:
    """contract.Hold over a connection of its own."""

    def __init__(self, rows: DeadRows, lock: HolderLock) -> None:
        self._rows = rows
        self._lock = lock
        self._bell = Bell(rows.store.folder)
        self._heard_id = rows.next_id() - 1

    def pick(self, chosen: Filter, before: str | None = None, at_once: int = 500) -> Iterator[list[Dead]]:
        """Batches by row id; what became dead after the mark is left out."""
        end = self._rows.row_id(before) if before is not None else None
        batch: list[Dead] = []
        size_bytes = 0
        for row_id, dead in self._rows.scan(chosen, 0, at_once):
            if before is not None and (end is None or row_id >= end):
                break
            batch.append(dead)
            size_bytes += len(dead.envelope.value or b"")
            if len(batch) >= at_once or size_bytes >= _BATCH_BYTES:
                yield batch
                batch, size_bytes = [], 0
        if batch:
            yield batch

    def replay(self, batch: Sequence[Dead]) -> Acted:
        """One transaction; then the takers are woken."""
        able, refused = parted(batch)
        gone = self._write(lambda connection: self._move(connection, able)) if able else set()
        self._bell.ring({self._ready(dead) for dead in able})
        refused += [(dead.id, GONE) for dead in able if dead.id not in gone]
        return Acted([dead.id for dead in able if dead.id in gone], refused)

    def remove(self, ids: Sequence[str]) -> None:
        """One transaction."""
        row_ids = [row_id for row_id in map(self._rows.row_id, ids) if row_id is not None]
        self._write(lambda connection: _delete(connection, row_ids))

    def arrivals(self) -> list[Dead]:
        """By row id: what comes later has a higher one."""
        found = list(self._rows.scan(Filter(), self._heard_id, 1))
        self._heard_id = found[-1][0] if found else self._heard_id
        return [dead for _, dead in found]

    def rest(self, for_s: float) -> None:
        """Nobody is in anybody's way here."""
        clock.sleep_s(for_s)

    def close(self) -> None:
        """Let the file and the lock go."""
        self._rows.store.close()
        self._lock.close()

    def _move(self, connection: sqlite3.Connection, batch: Sequence[Dead]) -> set[str]:
        row_ids = {dead.id: self._rows.row_id(dead.id) for dead in batch}
        there = _leave(connection, [row_id for row_id in row_ids.values() if row_id is not None])
        moved = [(row_ids[dead.id], dead) for dead in batch if row_ids[dead.id] in there]
        bodies = [(encode(anew(dead.envelope)), row_id) for row_id, dead in moved]
        queues = [self._rows.store.queue_id(connection, self._ready(dead)) for _, dead in moved]
        now_ms = clock.wall_ms()
        messages = [
            (row_id, queue, now_ms, len(body)) for (body, row_id), queue in zip(bodies, queues, strict=True)
        ]
        connection.executemany("UPDATE body SET envelope = ? WHERE id = ?", bodies)
        connection.executemany(_MESSAGE, messages)
        return {dead.id for _, dead in moved}

    def _ready(self, dead: Dead) -> str:
        return names.ready(self._rows.app, dead.route, dead.channel)

    def _write(self, work: Work[T]) -> T:
        return self._rows.store.insist(partial(self._rows.store.write, work), "written")


def _leave(connection: sqlite3.Connection, row_ids: Sequence[int]) -> set[int]:
    """Those of the rows that were still dead, and are not any more."""
    left = connection.execute(f"DELETE FROM dead WHERE id IN {query.IDS} RETURNING id", (query.ids(row_ids),))
    return {row_id for (row_id,) in left.fetchall()}


def _delete(connection: sqlite3.Connection, row_ids: Sequence[int]) -> bool:
    gone = _leave(connection, row_ids)
    connection.execute(f"DELETE FROM body WHERE id IN {query.IDS}", (query.ids(sorted(gone)),))
    return True
