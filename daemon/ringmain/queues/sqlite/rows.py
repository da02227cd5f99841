"""The statements of taking: who holds which message, in the caller's transaction.

Taker and Lease enter. Every statement that settles names the taker, so a taker that was taken for dead can
neither ack nor free what others hold by now.
"""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

_IDS = "(SELECT value FROM json_each(?))"
_CANDIDATES = (
    "SELECT id, size_bytes FROM message INDEXED BY message_waiting "
    "WHERE queue = ? AND taker IS NULL AND due_ms <= ? ORDER BY due_ms, id LIMIT ?"
)


class Wanted(NamedTuple):
    """What to take of one queue, at most; one message is taken however large it is."""

    queue_id: int
    queue: str
    messages: int
    size_bytes: int


class Taken(NamedTuple):
    """A message as stored."""

    id: int
    queue: str
    body: bytes


def claim(connection: sqlite3.Connection, taker: int, wanted: Wanted, now_ms: int) -> list[Taken]:
    """Mark what is ready as this taker's; oldest due first."""
    ids = _within(
        connection.execute(_CANDIDATES, (wanted.queue_id, now_ms, wanted.messages)), wanted.size_bytes
    )
    if not ids:
        return []
    chosen = _json(ids)
    connection.execute(f"UPDATE message SET taker = ? WHERE id IN {_IDS}", (taker, chosen))
    bodies = dict(connection.execute(f"SELECT id, envelope FROM body WHERE id IN {_IDS}", (chosen,)))
    return [Taken(row_id, wanted.queue, bodies[row_id]) for row_id in ids]


def forget(connection: sqlite3.Connection, taker: int, ids: Sequence[int]) -> None:
    """Delete what this taker holds of `ids`."""
    if not ids:
        return
    statement = f"DELETE FROM message WHERE id IN {_IDS} AND taker = ? RETURNING id"
    gone = [row_id for (row_id,) in connection.execute(statement, (_json(ids), taker)).fetchall()]
    connection.execute(f"DELETE FROM body WHERE id IN {_IDS}", (_json(gone),))


def free(connection: sqlite3.Connection, taker: int, ids: Sequence[int]) -> None:
    """Give back what this taker holds of `ids`."""
    if ids:
        connection.execute(
            f"UPDATE message SET taker = NULL WHERE id IN {_IDS} AND taker = ?", (_json(ids), taker)
        )


def free_all(connection: sqlite3.Connection, taker: int) -> None:
    """Give back all that this taker holds, and forget the taker."""
    connection.execute("UPDATE message SET taker = NULL WHERE taker = ?", (taker,))
    connection.execute("DELETE FROM taker WHERE id = ?", (taker,))


def earliest_ms(connection: sqlite3.Connection, queue_id: int) -> int | None:
    """When the next waiting message of a queue is, or was, due."""
    row = connection.execute(
        "SELECT due_ms FROM message INDEXED BY message_waiting "
        "WHERE queue = ? AND taker IS NULL ORDER BY due_ms LIMIT 1",
        (queue_id,),
    ).fetchone()
    return None if row is None else int(row[0])


def add_taker(connection: sqlite3.Connection) -> int:
    """A number that no taker ever had."""
    return int(connection.execute("INSERT INTO taker DEFAULT VALUES RETURNING id").fetchone()[0])


def is_taker(connection: sqlite3.Connection, number: int) -> bool:
    """Is this number in the file?"""
    return connection.execute("SELECT 1 FROM taker WHERE id = ?", (number,)).fetchone() is not None


def takers(connection: sqlite3.Connection) -> list[int]:
    """The numbers in the file, of living and dead takers."""
    return [number for (number,) in connection.execute("SELECT id FROM taker").fetchall()]


def _within(candidates: sqlite3.Cursor, limit_bytes: int) -> list[int]:
    ids: list[int] = []
    total_bytes = 0
    for row_id, size_bytes in candidates:
        total_bytes += size_bytes
        if ids and total_bytes > limit_bytes:
            break
        ids.append(row_id)
    return ids


def _json(ids: Sequence[int]) -> str:
    return msgspec.json.encode(list(ids)).decode()
