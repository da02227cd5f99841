"""The dead set's rows by a filter in SQL, in step with filters.matches; pieces of rows, and lists of ids.

Dead set, hold and search enter. What needs the message itself (text, where) is left to
filters.matches_content.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from ringmain.queues.contract import Count
from ringmain.queues.filters import Filter, asked_class

_HOUR = "strftime('%Y-%m-%dT%H:00Z', d.dead_ms / 1000, 'unixepoch')"
_COLUMNS = {
    "error": "d.error_class", "route": "q.route", "channel": "q.channel", "topic": "d.topic", "hour": _HOUR,
}  # fmt: skip


_PIECE_BYTES = 32 << 20

Stored = tuple[int, str, str, bytes]
Row = TypeVar("Row", bound=tuple[Any, ...])

IDS = "(SELECT value FROM json_each(?))"


class Meant(NamedTuple):
    """A filter with its ids already read: None = no such condition, empty = none of them can be here."""

    chosen: Filter
    row_ids: list[int] | None


class Clause(NamedTuple):
    """A WHERE over `dead d JOIN queue q`, and its values."""

    sql: str
    values: list[object]


def where(app: str, meant: Meant, after_id: int) -> Clause:
    """The part of a filter that the index table answers."""
    chosen = meant.chosen
    terms: list[tuple[str, list[object]]] = [("q.app = ?", [app]), ("d.id > ?", [after_id])]
    equal = {
        "q.route": chosen.route, "q.channel": chosen.channel, "d.topic": chosen.topic,
        "d.partition": chosen.partition, "d.key": chosen.key,
    }  # fmt: skip
    terms += [(f"{column} = ?", [value]) for column, value in equal.items() if value is not None]
    if meant.row_ids is not None:
        terms.append(
            ("d.id IN (SELECT value FROM json_each(?))", [msgspec.json.encode(meant.row_ids).decode()])
        )
    if chosen.error is not None:
        asked = asked_class(chosen.error)
        terms.append(("(d.error_class = ? OR d.error_name = ?)", [asked, asked]))
    if chosen.since_ms is not None:
        terms.append(("d.dead_ms >= ?", [chosen.since_ms]))
    if chosen.until_ms is not None:
        terms.append(("d.dead_ms > 0 AND d.dead_ms < ?", [chosen.until_ms]))
    return Clause(" AND ".join(sql for sql, _ in terms), [value for _, values in terms for value in values])


def page(connection: sqlite3.Connection, clause: Clause, limit: int) -> tuple[list[Stored], bool]:
    """(id, route, channel, body) by id, not many bytes at once; and whether that was the last of them."""
    statement = (
        "SELECT d.id, q.route, q.channel, b.envelope FROM dead d JOIN queue q ON q.id = d.queue "
        f"JOIN body b ON b.id = d.id WHERE {clause.sql} ORDER BY d.id LIMIT ?"
    )
    stored, whole = up_to_bytes(connection.execute(statement, [*clause.values, limit]))
    return stored, whole and len(stored) < limit


def up_to_bytes(rows: Iterable[Row]) -> tuple[list[Row], bool]:
    """The first rows, each ending in its body, as many as memory should hold; False = there may be more."""
    taken: list[Row] = []
    size_bytes = 0
    for row in rows:
        taken.append(row)
        size_bytes += len(row[-1])
        if size_bytes >= _PIECE_BYTES:
            return taken, False
    return taken, True


def ids(row_ids: Iterable[int]) -> str:
    """Row ids as the value for `IN` IDS."""
    return msgspec.json.encode(list(row_ids)).decode()


def counts(connection: sqlite3.Connection, clause: Clause, by: Sequence[str]) -> list[Count]:
    """Counts by axes, largest first."""
    axes = [_COLUMNS[axis] for axis in by]
    columns = ", ".join([*axes, "count(*)", "min(d.dead_ms)", "max(d.dead_ms)"])
    grouped = f"GROUP BY {', '.join(map(str, range(1, len(axes) + 1)))}" if axes else ""
    statement = (
        f"SELECT {columns} FROM dead d JOIN queue q ON q.id = d.queue WHERE {clause.sql} {grouped} "
        f"ORDER BY {len(axes) + 1} DESC"
    )
    found = connection.execute(statement, clause.values).fetchall()
    return [Count(tuple(map(str, row[:-3])), *row[-3:]) for row in found if row[-3]]
