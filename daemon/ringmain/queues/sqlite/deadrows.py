"""The rows of one app's dead messages: their ids for the world outside, and a scan in short reads.

The dead set looks through it, a hold picks through it. Nothing is changed here, and no file is made: one that
is not there yet holds no dead messages.
"""

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from ringmain.errors import QueuesAway
from ringmain.queues.contract import Dead
from ringmain.queues.envelope import UNREADABLE, Envelope, decode
from ringmain.queues.filters import Filter, matches_content
from ringmain.queues.sqlite import query
from ringmain.queues.sqlite.store import Store

T = TypeVar("T")

PIECE = 500


class DeadRows:
    """Reads over one connection; each read is short, so that it never holds up the file's housekeeping."""

    def __init__(self, app: str, store: Store) -> None:
        self.app = app
        self.store = store
        self._epoch: int | None = None

    def exists(self) -> bool:
        """Is there a queue file?"""
        return self.store.path.exists()

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The result of `work`, or QueuesAway."""
        found: T | None = self.store.read(work, None)
        if found is None:
            away = self.store.away
            raise QueuesAway(away.reason if away else f"nothing was read from {self.store.path}")
        return found

    def next_id(self) -> int:
        """The row id that the next message will at least have."""
        if not self.exists():
            return 0
        return int(self.read(lambda connection: connection.execute("SELECT next FROM counter").fetchone())[0])

    def scan(self, chosen: Filter, after_id: int, expected: int) -> Iterator[tuple[int, Dead]]:
        """Every dead message that passes, by row id."""
        if not self.exists():
            return
        meant, piece, is_last = self.meant(chosen), min(expected, PIECE), False
        while not is_last:
            clause = query.where(self.app, meant, after_id)
            stored, is_last = self.read(partial(query.page, clause=clause, limit=piece))
            for row_id, route, channel, body in stored:
                envelope = opened(body)
                if matches_content(chosen, envelope):
                    yield row_id, Dead(self.entry_id(row_id), route, channel, envelope)
            if stored:
                after_id, piece = stored[-1][0], PIECE

    def meant(self, chosen: Filter) -> query.Meant:
        """The filter with its ids as row ids."""
        ids = [row_id for row_id in map(self.row_id, chosen.ids) if row_id is not None]
        return query.Meant(chosen, ids if chosen.ids else None)

    def entry_id(self, row_id: int) -> str:
        """Opaque: the file's own random number and the row's, so an id never means another file's message."""
        return f"{self._own_epoch():08x}{row_id:016x}"

    def row_id(self, entry_id: str | None) -> int | None:
        """The row id of one of our ids; None for any other text."""
        if entry_id is None or not self.exists():
            return None
        prefix = f"{self._own_epoch():08x}"
        try:
            return int(entry_id[8:], 16) if entry_id.startswith(prefix) and len(entry_id) == 24 else None
        except ValueError:
            return None

    def _own_epoch(self) -> int:
        if self._epoch is None:
            row = self.read(lambda connection: connection.execute("SELECT epoch FROM counter").fetchone())
            self._epoch = int(row[0])
        return self._epoch


def opened(body: bytes) -> Envelope:
    """The envelope as stored; one that cannot be read (damaged, of a later ringmain) is shown as such."""
    try:
        return decode(body)
    except UNREADABLE as error:
        return Envelope(
            value=None, key=None, headers=[], topic="", partition=-1, offset=-1, timestamp_ms=0,
            error_class="UnreadableEntry", error_message=f"the entry cannot be opened: {error}",
            withheld_bytes=len(body),
        )  # fmt: skip
