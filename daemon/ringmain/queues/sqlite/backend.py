"""The queue file as contract.Queues: hands out connections, and counts.

Whoever is given the config's `[queues]` with backend "sqlite" enters, through queues.connect.
"""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from ringmain.clock import wall_ms
from ringmain.errors import QueuesAway
from ringmain.queues import names
from ringmain.queues.contract import Depth
from ringmain.queues.sqlite.deadset import SqliteDeadSet
from ringmain.queues.sqlite.publisher import SqlitePublisher
from ringmain.queues.sqlite.search import SqliteSearch
from ringmain.queues.sqlite.store import Store
from ringmain.queues.sqlite.taker import SqliteTaker

_DEPTHS = """
SELECT q.route, q.channel, q.kind, CASE WHEN m.due_ms > :now THEN m.delay_s ELSE 0 END AS step,
       count(*), count(m.taker), min(CASE WHEN m.taker IS NULL THEN m.due_ms END)
FROM message m JOIN queue q ON q.id = m.queue WHERE q.app = :app GROUP BY 1, 2, 3, 4
UNION ALL
SELECT q.route, q.channel, q.kind, 0, count(*), 0, min(d.dead_ms)
FROM dead d JOIN queue q ON q.id = d.queue WHERE q.app = :app GROUP BY 1, 2, 3
"""


class SqliteQueues:
    """All queues of one app in one file."""

    def __init__(self, app: str, path: Path) -> None:
        self._app = app
        self._path = path

    def publisher(self) -> SqlitePublisher:
        """A connection that writes."""
        return SqlitePublisher(Store(self._path))

    def taker(self, queues: Sequence[str]) -> SqliteTaker:
        """A connection that takes."""
        return SqliteTaker(Store(self._path), queues)

    def dead_set(self) -> SqliteDeadSet:
        """A connection that looks."""
        return SqliteDeadSet(self._app, Store(self._path))

    def search(self) -> SqliteSearch:
        """A connection that looks through everything."""
        return SqliteSearch(self._app, Store(self._path))

    def try_out(self) -> None:
        """QueuesAway when the file cannot be read, or could be neither written nor made."""
        self.depths()
        present = next(place for place in (self._path, *self._path.parents) if place.exists())
        if present is not self._path and not present.is_dir():
            raise QueuesAway(f"the queue file {self._path}: {present} is not a folder")
        if not os.access(present, os.W_OK):
            raise QueuesAway(f"the queue file {self._path}: {present} cannot be written: see its owner")

    def depths(self) -> dict[str, Depth]:
        """Every queue that holds something; a file that is not there yet holds nothing."""
        if not self._path.exists():
            return {}
        store = Store(self._path)
        found = store.read(self._count, None)
        away = store.away
        store.close()
        if found is None:
            raise QueuesAway(away.reason if away else f"nothing was read from {self._path}")
        return found

    def _count(self, connection: sqlite3.Connection) -> dict[str, Depth]:
        counted = connection.execute(_DEPTHS, {"now": wall_ms(), "app": self._app}).fetchall()
        return dict(self._depth(*row) for row in counted)

    def _depth(self, *row: object) -> tuple[str, Depth]:
        route, channel, kind, step, messages, held, oldest_ms = row
        oldest = int(str(oldest_ms)) if oldest_ms is not None else None
        place = names.Place(
            self._app, str(route), str(channel), names.kind_of(str(kind), int(str(step))), int(str(step))
        )
        if step and oldest is not None:
            oldest -= int(str(step)) * 1000
        return names.of(place), Depth(int(str(messages)), int(str(held)), oldest)
