"""One person's messages in every queue of the file: found, or forgotten.

`ringmain find` and `forget` enter. Ids ascend and every move of a message but a replay gives it a new one, so
one pass by id, while the caller holds the dead set, also meets what is written meanwhile. What is in the ring
of a running daemon is marked as held: its row goes all the same, its copy in memory is not reached.
"""

import sqlite3
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from ringmain import clock
from ringmain.queues import frames, names
from ringmain.queues.contract import Found
from ringmain.queues.envelope import UNREADABLE, Envelope
from ringmain.queues.filters import Filter, matches
from ringmain.queues.sqlite import query
from ringmain.queues.sqlite.deadrows import DeadRows, opened
from ringmain.queues.sqlite.store import Store

_PIECE = 500
_SCAN = """
SELECT b.id, q.route, q.channel, q.kind, CASE WHEN m.due_ms > :now THEN m.delay_s ELSE 0 END,
       m.taker IS NOT NULL, b.envelope
FROM body b LEFT JOIN message m ON m.id = b.id LEFT JOIN dead d ON d.id = b.id
JOIN queue q ON q.id = coalesce(m.queue, d.queue)
WHERE q.app = :app AND b.id > :after ORDER BY b.id LIMIT :limit
"""


class Stored(NamedTuple):
    """A row of any queue."""

    id: int
    route: str
    channel: str
    kind: str
    delay_s: int
    held: int
    body: bytes


class Cut(NamedTuple):
    """What a row is without a person's messages: its other messages if it is a frame, else nothing."""

    id: int
    rest: bytes | None
    found: list[Found]


class SqliteSearch:
    """contract.Search over one connection of its own."""

    def __init__(self, app: str, store: Store) -> None:
        self._app = app
        self._store = store
        self._rows = DeadRows(app, store)

    def find(self, chosen: Filter) -> Iterator[Found]:
        """Read only."""
        for stored in self._pieces():
            for row in stored:
                yield from self._cut(row, chosen).found

    def forget(self, chosen: Filter) -> Iterator[Found]:
        """A piece a transaction; what is deleted is overwritten with zeros, and the log of writes emptied."""
        some = False
        for stored in self._pieces():
            cuts = [cut for cut in (self._cut(row, chosen) for row in stored) if cut.found]
            if cuts:
                some = True
                self._store.insist(partial(self._store.write, partial(_apply, cuts=cuts)), "written")
                yield from (found for cut in cuts for found in cut.found)
        if some:
            self._store.read(_empty_log, False)

    def close(self) -> None:
        """Let the file go."""
        self._store.close()

    def _pieces(self) -> Iterator[list[Stored]]:
        after_id = 0
        while self._store.path.exists():
            values = {"now": clock.wall_ms(), "app": self._app, "after": after_id, "limit": _PIECE}
            stored = self._store.insist(partial(self._store.read, partial(_piece, values=values)), "read")
            if not stored:
                return
            yield stored
            after_id = stored[-1].id

    def _cut(self, row: Stored, chosen: Filter) -> Cut:
        is_frame = row.kind == "overflow"
        envelopes = _frame(row.body) if is_frame else [opened(row.body)]
        passing = [matches(chosen, row.route, row.channel, envelope) for envelope in envelopes]
        name, entry_id = self._queue(row), self._rows.entry_id(row.id)
        found = [
            Found(name, f"{entry_id}.{place}" if is_frame else entry_id, envelope, bool(row.held))
            for place, (envelope, passes) in enumerate(zip(envelopes, passing, strict=True))
            if passes
        ]
        rest = [envelope for envelope, passes in zip(envelopes, passing, strict=True) if not passes]
        return Cut(row.id, frames.pack(rest).body if rest else None, found)

    def _queue(self, row: Stored) -> str:
        kind = names.kind_of(row.kind, row.delay_s)
        return names.of(names.Place(self._app, row.route, row.channel, kind, row.delay_s))


def _piece(connection: sqlite3.Connection, values: dict[str, object]) -> list[Stored]:
    stored, _ = query.up_to_bytes(map(Stored._make, connection.execute(_SCAN, values)))
    return stored


def _apply(connection: sqlite3.Connection, cuts: list[Cut]) -> bool:
    connection.execute("PRAGMA secure_delete = ON")
    kept = [(cut.rest, cut.id) for cut in cuts if cut.rest is not None]
    connection.executemany("UPDATE body SET envelope = ? WHERE id = ?", kept)
    gone = query.ids([cut.id for cut in cuts if cut.rest is None])
    for table in ("message", "dead", "body"):
        connection.execute(f"DELETE FROM {table} WHERE id IN {query.IDS}", (gone,))
    return True


def _frame(body: bytes) -> list[Envelope]:
    try:
        return frames.unpack(body)
    except UNREADABLE:
        return []


def _empty_log(connection: sqlite3.Connection) -> bool:
    """As far as those who read at this moment let it."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return True
