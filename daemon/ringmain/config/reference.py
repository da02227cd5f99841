"""The reference of all settings, made from the schema: as rows, as a table for a terminal, as markdown.

`ringmain settings` and the test that keeps README's copy in step enter. Nothing is written here that the
schema does not say.
"""

import json
from typing import Any

import msgspec

from ringmain.config.keys import Key, walk
from ringmain.config.schema import Table

BEGIN, END = "<!-- settings -->", "<!-- /settings -->"

_SIZES = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_KINDS = {
    "size": "size",
    "properties": "properties",
    "topics": "list",
    "modes": "list",
    "urls": "string or list",
    "consumers": '"per-partition" or number',
    "path": "path",
    "bind": "host:port",
}
_TYPES = {int: "number", float: "number", str: "string", bool: "boolean"}


class Row(msgspec.Struct, frozen=True):
    """One key: its path with R, C or P for a name of the user's, what it takes, its default, its meaning."""

    key: str
    type: str
    default: str
    meaning: str


def rows() -> list[Row]:
    """Every key that holds a value, in the schema's order."""
    return [
        Row(path, _kind(key), _default(path, key), key.description)
        for path, key in walk()
        if not (key.entries or key.table) or key.reads == "flood"
    ]


def as_table() -> str:
    """Columns for a terminal."""
    lines = [("KEY", "TYPE", "DEFAULT", "MEANING"), *(msgspec.structs.astuple(row) for row in rows())]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[3]])
        for line in lines
    )


def as_markdown() -> str:
    """A markdown table between the markers that README has."""
    lines = ["| key | takes | default | meaning |", "|---|---|---|---|"]
    for row in rows():
        cells = [f"`{row.key}`", row.type, row.default, row.meaning]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([BEGIN, *lines, END])


def _kind(key: Key) -> str:
    if key.reads == "flood":
        return "false or table"
    if key.words:
        return ", ".join(f'"{word}"' for word in key.words)
    return _KINDS.get(key.reads) or _TYPES[key.type]


def _default(path: str, key: Key) -> str:
    if key.default_text:
        return key.default_text
    if ".channels." in path:
        return "the route's"
    if key.required:
        return "required"
    return _shown(key.reads, key.default)


def _shown(reads: str, value: Any) -> str:
    if value is None or value == {}:
        return "off" if value is None else ""
    if isinstance(value, Table):
        return "on"
    if reads == "size":
        return next((f'"{value // size}{unit}"' for size, unit in _SIZES if value % size == 0), str(value))
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)
