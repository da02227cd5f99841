"""One connection to the queue file, opened again whenever it fails: work is done, or the file is away.

Publisher, Taker and DeadSet each hold a Store of their own. sqlite3's errors end here as an `Away`. LOSS:
work that fails is rolled back as a whole; nothing is ever confirmed that was not committed.
"""

import contextlib
import os
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ringmain.clock import monotonic_s, sleep_s
from ringmain.errors import QueuesAway
from ringmain.queues.backoff import Backoff
from ringmain.queues.contract import Away
from ringmain.queues.names import parse, ready
from ringmain.queues.sqlite import schema
from ringmain.queues.sqlite.locks import SETUP, LockFile

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

PATIENCE_S = 15.0

_REMEDIES = {
    "SQLITE_FULL": "no space left: free some on its disk",
    "SQLITE_BUSY": f"another process has held it for over {schema.BUSY_MS / 1000:g} s",
    "SQLITE_NOTADB": "it is not a queue file of ringmain: move it away, or change queues.path",
    "SQLITE_CORRUPT": "it is damaged: stop, copy it, and recover it with `sqlite3 FILE .recover`",
    "SQLITE_READONLY": "it cannot be written: see the owner of the file and of its folder",
    "SQLITE_CANTOPEN": "it cannot be opened: see the owner of the file and of its folder",
}


class Store:
    """The queue file as one process's part of it sees it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = path.with_name(f"{path.name}-wake")
        self.lock_path = self.folder / "takers"
        self.away: Away | None = None
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._backoff = Backoff()
        self._queue_ids: dict[str, int] = {}

    def write(self, work: Work[T], otherwise: T, durable: bool = True) -> T:
        """Do `work` in one write transaction; `otherwise` when the file is away."""
        return self._attempt(lambda connection: _in_transaction(connection, work, durable), otherwise)

    def read(self, work: Work[T], otherwise: T) -> T:
        """Do `work`, which only reads; `otherwise` when the file is away."""
        return self._attempt(work, otherwise)

    def wait_s(self) -> float:
        """How long before the next try is worth it; 0 unless away."""
        return self._backoff.wait_s(monotonic_s())

    def insist(self, attempt: Callable[[None], T | None], done: str) -> T:
        """The result of a read or a write for who may wait: others may keep the file busy for a while.

        `done` names it ("read", "written") for QueuesAway, which ends a wait of PATIENCE_S.
        """
        deadline_s = monotonic_s() + PATIENCE_S
        while (result := attempt(None)) is None:
            if monotonic_s() >= deadline_s:
                raise QueuesAway(self.away.reason if self.away else f"nothing was {done}")
            sleep_s(self.wait_s())
        return result

    def queue_id(self, connection: sqlite3.Connection, queue: str) -> int:
        """The number of a queue, made at its first use; a delay queue is a part of its ready queue."""
        if queue not in self._queue_ids:
            self._queue_ids[queue] = _queue_id(connection, home(queue))
        return self._queue_ids[queue]

    def close(self) -> None:
        """Let the file go."""
        self._queue_ids.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _attempt(self, work: Work[T], otherwise: T) -> T:
        if self.wait_s() > 0:
            return otherwise
        try:
            result = work(self._opened())
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise
        except (sqlite3.DatabaseError, OSError) as error:
            self._failed(error)
            return otherwise
        self.away = None
        self._backoff.succeeded()
        return result

    def _failed(self, error: Exception) -> None:
        self.close()
        since_s = self.away.since_s if self.away else monotonic_s()
        self.away = Away(_reason(self.path, error), since_s)
        self._backoff.failed(monotonic_s(), random.random())

    def _opened(self) -> sqlite3.Connection:
        """LOSS: a file that was deleted or replaced under us is let go, or we would confirm into nothing."""
        if self._connection is not None and _identity(self.path) != self._identity:
            self.close()
        if self._connection is None:
            self._open()
        assert self._connection is not None
        return self._connection

    def _open(self) -> None:
        schema.create_file(self.path)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._connection = schema.connect(self.path)
        self._identity = _identity(self.path)
        if not schema.is_current(self._connection):
            locks = LockFile(self.lock_path)
            try:
                locks.hold(SETUP)
                schema.create_tables(self._connection)
            finally:
                locks.close()


def home(queue: str) -> str:
    """The queue whose takers get what is published to `queue`: a delay queue's ready queue, else itself."""
    place = parse(queue)
    return ready(place.app, place.route, place.channel) if place.kind == "delay" else queue


def _in_transaction(connection: sqlite3.Connection, work: Work[T], durable: bool) -> T:
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    return result


def _queue_id(connection: sqlite3.Connection, queue: str) -> int:
    row = connection.execute("SELECT id FROM queue WHERE name = ?", (queue,)).fetchone()
    if row is None:
        place = parse(queue)
        row = connection.execute(
            "INSERT INTO queue (name, app, route, channel, kind) VALUES (?, ?, ?, ?, ?) RETURNING id",
            (queue, place.app, place.route, place.channel, place.kind),
        ).fetchone()
    return int(row[0])


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _reason(path: Path, error: Exception) -> str:
    """`the queue file PATH: what is wrong: what to do`."""
    name = getattr(error, "sqlite_errorname", "") or ""
    remedy = next((text for known, text in _REMEDIES.items() if name.startswith(known)), "")
    return ": ".join(part for part in (f"the queue file {path}", str(error), remedy) if part)
