"""The tables of the queue file, and how a connection to it is set up.

Store enters. Small rows that change (who holds a message, when it is due) stand apart from bodies that never
do: taking a message of 1 MB rewrites 50 bytes. Ids are given out by `counter`, ascend and are
never used again.
"""

import os
import sqlite3
from pathlib import Path

APPLICATION_ID = 0x72696E67
VERSION = 1
BUSY_MS = 1000
_CHECKPOINT_PAGES = 4000
_WAL_KEPT_BYTES = 64 << 20

TABLES = """
CREATE TABLE counter (next INTEGER NOT NULL, epoch INTEGER NOT NULL);
CREATE TABLE queue (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, app TEXT NOT NULL, route TEXT NOT NULL,
    channel TEXT NOT NULL, kind TEXT NOT NULL
);
CREATE TABLE body (id INTEGER PRIMARY KEY, envelope BLOB NOT NULL);
CREATE TABLE message (
    id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, delay_s INTEGER NOT NULL, due_ms INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL, taker INTEGER
);
CREATE INDEX message_waiting ON message (queue, due_ms, id) WHERE taker IS NULL;
CREATE INDEX message_held ON message (taker) WHERE taker IS NOT NULL;
CREATE TABLE taker (id INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE dead (
    id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL, key BLOB, error_class TEXT NOT NULL, error_name TEXT NOT NULL,
    dead_ms INTEGER NOT NULL
);
CREATE INDEX dead_queue ON dead (queue);
CREATE INDEX dead_origin ON dead (topic, partition, "offset");
CREATE INDEX dead_error ON dead (error_name);
CREATE INDEX dead_key ON dead (key) WHERE key IS NOT NULL;
CREATE INDEX dead_time ON dead (dead_ms);
"""


def connect(path: Path) -> sqlite3.Connection:
    """A connection to an existing file, set up for short durable transactions among several processes."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=BUSY_MS / 1000
    )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def create_file(path: Path) -> None:
    """An empty file that only its owner reads: it will hold payloads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return


def is_current(connection: sqlite3.Connection) -> bool:
    """Has it our tables? DatabaseError when it is somebody else's file, or of a later ringmain."""
    version = pragma(connection, "user_version")
    if version == VERSION:
        return True
    if version or connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        raise sqlite3.DatabaseError(f"its layout is number {version}, this ringmain reads {VERSION}")
    return False


def create_tables(connection: sqlite3.Connection) -> None:
    """Make the file ours in one transaction; the caller holds the file's setup lock."""
    if is_current(connection):
        return
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    for statement in TABLES.split(";"):
        connection.execute(statement)
    epoch = int.from_bytes(os.urandom(4), "big")
    connection.execute("INSERT INTO counter (next, epoch) VALUES (1, ?)", (epoch,))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """An integer PRAGMA's value."""
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
