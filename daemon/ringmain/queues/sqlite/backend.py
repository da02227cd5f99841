"""The queue file as contract.Queues: hands out connections, and counts.

Whoever is given the config's `[queues]` with backend "sqlite" enters, through queues.connect.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ringmain.errors import QueuesAway
from ringmain.queues.contract import Depth
from ringmain.queues.sqlite.control import SqliteControl
from ringmain.queues.sqlite.deadset import SqliteDeadSet
from ringmain.queues.sqlite.depths import count
from ringmain.queues.sqlite.publisher import SqlitePublisher
from ringmain.queues.sqlite.search import SqliteSearch
from ringmain.queues.sqlite.store import Store
from ringmain.queues.sqlite.taker import SqliteTaker


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

    def control(self) -> SqliteControl:
        """A connection that talks and counts."""
        return SqliteControl(self._app, Store(self._path))

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
        try:
            with tempfile.TemporaryFile(dir=present if present.is_dir() else present.parent):
                pass
        except OSError as refused:
            raise QueuesAway(f"the queue file {self._path}: no file can be made there: {refused}") from None

    def depths(self) -> dict[str, Depth]:
        """Every queue that holds something; a file that is not there yet holds nothing."""
        if not self._path.exists():
            return {}
        store = Store(self._path)
        found = store.read(lambda connection: count(connection, self._app), None)
        away = store.away
        store.close()
        if found is None:
            raise QueuesAway(away.reason if away else f"nothing was read from {self._path}")
        return found
