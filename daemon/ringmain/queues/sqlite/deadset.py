"""The dead messages of one app in the queue file: summaries, pages, one entry, and what to act on.

The command line and the admin hold one. It reads in short pieces, so that a long look never holds up a writer
or the file's housekeeping. A file that is not there yet holds no dead messages; looking never makes one.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from ringmain.errors import QueuesAway, RingmainError
from ringmain.queues import entry
from ringmain.queues.contract import AXES, Count, Page
from ringmain.queues.entry import Entry
from ringmain.queues.envelope import Envelope, decode
from ringmain.queues.filters import Filter, matches_content
from ringmain.queues.sqlite import query
from ringmain.queues.sqlite.store import Store

T = TypeVar("T")

_PIECE = 500
_END = (1 << 62) - 1


class Row(NamedTuple):
    """A dead message as stored."""

    id: int
    route: str
    channel: str
    envelope: Envelope


class SqliteDeadSet:
    """contract.DeadSet over one connection of its own."""

    def __init__(self, app: str, store: Store) -> None:
        self._app = app
        self._store = store
        self._epoch: int | None = None

    def summary(self, chosen: Filter, by: Sequence[str]) -> list[Count]:
        """Counts by axes; content filters read every candidate, the others only the index table."""
        unknown = [axis for axis in by if axis not in AXES]
        if unknown:
            raise RingmainError(f"{unknown[0]!r} is not an axis of the summary: {', '.join(AXES)}")
        if not self._exists():
            return []
        if chosen.reads_content:
            return self._counted(chosen, by)
        clause = query.where(self._app, self._rows_meant(chosen), 0)
        return self._read(lambda connection: query.counts(connection, clause, by))

    def page(self, chosen: Filter, limit: int, cursor: str | None = None) -> Page:
        """A page, oldest first; the cursor is the id of its last entry."""
        found: list[Row] = []
        for row in self._scan(chosen, self._row_id(cursor) or 0, limit + 1):
            if len(found) == limit:
                return Page([self._entry(row) for row in found], self._entry_id(found[-1].id))
            found.append(row)
        return Page([self._entry(row) for row in found], None)

    def get(self, entry_id: str) -> Entry | None:
        """One entry by its id."""
        return next(iter(self.page(Filter(ids=(entry_id,)), 1).entries), None)

    def pick(self, chosen: Filter, before: str | None = None) -> Iterator[list[str]]:
        """Ids in pieces; what became dead after the mark is left out."""
        end = self._row_id(before) if before is not None else _END
        piece: list[str] = []
        for row in self._scan(chosen, 0, _PIECE):
            if end is None or row.id >= end:
                break
            piece.append(self._entry_id(row.id))
            if len(piece) == _PIECE:
                yield piece
                piece = []
        if piece:
            yield piece

    def mark(self) -> str:
        """The id that the next dead message would at least have."""
        if not self._exists():
            return f"{0:08x}{0:016x}"
        next_id = self._read(lambda connection: connection.execute("SELECT next FROM counter").fetchone()[0])
        return self._entry_id(int(next_id))

    def close(self) -> None:
        """Let the file go."""
        self._store.close()

    def _scan(self, chosen: Filter, after_id: int, expected: int) -> Iterator[Row]:
        """Every dead message that passes, by id, in short reads."""
        if not self._exists():
            return
        meant, piece = self._rows_meant(chosen), min(expected, _PIECE)
        while True:
            clause = query.where(self._app, meant, after_id)
            stored = self._read(partial(query.page, clause=clause, limit=piece))
            for row_id, route, channel, body in stored:
                envelope = decode(body)
                if matches_content(chosen, envelope):
                    yield Row(row_id, route, channel, envelope)
            if len(stored) < piece:
                return
            after_id, piece = stored[-1][0], _PIECE

    def _counted(self, chosen: Filter, by: Sequence[str]) -> list[Count]:
        groups: dict[tuple[str, ...], list[int]] = {}
        for row in self._scan(chosen, 0, _PIECE):
            group = tuple(query.axis_of(axis, row.route, row.channel, row.envelope) for axis in by)
            groups.setdefault(group, []).append(row.envelope.failed_ms)
        counts = [Count(group, len(times), min(times), max(times)) for group, times in groups.items()]
        return sorted(counts, key=lambda count: -count.messages)

    def _rows_meant(self, chosen: Filter) -> query.Meant:
        ids = [row_id for row_id in map(self._row_id, chosen.ids) if row_id is not None]
        return query.Meant(chosen, ids if chosen.ids else None)

    def _entry(self, row: Row) -> Entry:
        return entry.make(self._entry_id(row.id), row.route, row.channel, row.envelope)

    def _entry_id(self, row_id: int) -> str:
        """Opaque: the file's own random number and the row's, so an id never means another file's message."""
        return f"{self._own_epoch():08x}{row_id:016x}"

    def _row_id(self, entry_id: str | None) -> int | None:
        if entry_id is None or not self._exists():
            return None
        prefix = f"{self._own_epoch():08x}"
        try:
            return int(entry_id[8:], 16) if entry_id.startswith(prefix) and len(entry_id) == 24 else None
        except ValueError:
            return None

    def _own_epoch(self) -> int:
        if self._epoch is None:
            row = self._read(lambda connection: connection.execute("SELECT epoch FROM counter").fetchone())
            self._epoch = int(row[0])
        return self._epoch

    def _exists(self) -> bool:
        return self._store.path.exists()

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        found: T | None = self._store.read(work, None)
        if found is None:
            away = self._store.away
            raise QueuesAway(away.reason if away else f"nothing was read from {self._store.path}")
        return found
