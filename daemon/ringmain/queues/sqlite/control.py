"""The nodes of an app among themselves, on one machine: a small table that each of them reads every second.

The herald holds one. The table is made when it is first needed, so a file of an earlier ringmain has it as
well. Words are kept for an hour, for whoever wants to see what was said, and told once to each who listens.
"""

import sqlite3
from collections.abc import Sequence

from ringmain.clock import monotonic_s, wall_ms
from ringmain.queues.contract import Away, Depth
from ringmain.queues.sqlite.depths import count
from ringmain.queues.sqlite.store import Store

LOOK_S = 1.0
KEPT_MS = 3_600_000
MOST = 1000
"""Words in one look; those of an hour ago are not worth more."""
_TABLE = """
CREATE TABLE IF NOT EXISTS control (
    id INTEGER PRIMARY KEY AUTOINCREMENT, app TEXT NOT NULL, said_ms INTEGER NOT NULL, body BLOB NOT NULL
)
"""
_LAST = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'control'"
_IS_THERE = "SELECT 1 FROM sqlite_master WHERE name = 'control'"
_SINCE = "SELECT id, body FROM control WHERE id > ? AND app = ? ORDER BY id LIMIT ?"


class SqliteControl:
    """contract.Control over one connection of its own."""

    def __init__(self, app: str, store: Store) -> None:
        self._app = app
        self._store = store
        self._heard: list[bytes] = []
        self._last: int | None = None
        """The last word heard; None = the table has not been seen, and what is in it is not for us."""
        self._look_s = 0.0
        self._counted: dict[str, Depth] | None = None

    def send(self, body: bytes) -> bool:
        """A row, not synced: it is worth nothing after a power cut."""
        return self._last is not None and self._store.write(
            lambda connection: self._insert(connection, body), False, durable=False
        )

    def take(self) -> list[bytes]:
        """What the last looks found."""
        heard, self._heard = self._heard, []
        return heard

    def pump(self) -> None:
        """Look, if it is time."""
        now_s = monotonic_s()
        if now_s < self._look_s:
            return
        self._look_s = now_s + LOOK_S
        if self._last is not None and not self._store.read(self._look, True):
            self._last = None  # another file stands there by now
        if self._last is None:
            self._last = self._store.write(self._prepare, None, durable=False)

    def expect(self, queues: Sequence[str]) -> None:
        """Nothing: all that is in a file is seen."""

    def count(self) -> None:
        """At once: who calls this may wait."""
        self._counted = self._store.read(lambda connection: count(connection, self._app), None)

    def counted(self) -> dict[str, Depth] | None:
        """The result of the last count."""
        counted, self._counted = self._counted, None
        return counted

    def fileno(self) -> int | None:
        """A file is looked at, not waited on."""
        return None

    def timeout_s(self) -> float | None:
        """Until the next look."""
        return max(0.0, self._look_s - monotonic_s(), self._store.wait_s())

    def away(self) -> Away | None:
        """The file's."""
        return self._store.away

    def unheard(self) -> Away | None:
        """Whoever may use the file is heard."""
        return None

    def close(self) -> None:
        """Let the file go."""
        self._store.close()

    def _prepare(self, connection: sqlite3.Connection) -> int:
        connection.execute(_TABLE)
        return int(connection.execute(_LAST).fetchone()[0])

    def _insert(self, connection: sqlite3.Connection, body: bytes) -> bool:
        now_ms = wall_ms()
        connection.execute("DELETE FROM control WHERE said_ms < ?", (now_ms - KEPT_MS,))
        connection.execute(
            "INSERT INTO control (app, said_ms, body) VALUES (?, ?, ?)", (self._app, now_ms, body)
        )
        return True

    def _look(self, connection: sqlite3.Connection) -> bool:
        """Take what is new; False when the table is not the one that we know."""
        assert self._last is not None
        if connection.execute(_IS_THERE).fetchone() is None:
            return False
        last = int(connection.execute(_LAST).fetchone()[0])
        if last < self._last:
            return False
        rows = connection.execute(_SINCE, (self._last, self._app, MOST)).fetchall()
        self._heard += [bytes(body) for _, body in rows]
        self._last = int(rows[-1][0]) if len(rows) == MOST else last
        return True
