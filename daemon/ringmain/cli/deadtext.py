"""Dead messages as text for people.

The commands on the dead set enter. Everything that came with a message is escaped first; no markup of it is
ever read.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ringmain.queues.contract import Count
from ringmain.queues.entry import Entry, iso

_PIPE_WIDTH = 240
_MESSAGE_CHARS = 120
_INVISIBLE = {
    *range(0x20),
    *range(0x7F, 0xA0),
    *range(0x200B, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2066, 0x206A),
}
_ESCAPES = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _INVISIBLE}
_ESCAPES |= {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"}


def escaped(text: str) -> str:
    """The text with everything that could act on a terminal, or hide on it, spelled out."""
    return text.translate(_ESCAPES).encode(errors="backslashreplace").decode()


def escaped_lines(text: str) -> str:
    """The same, keeping line ends."""
    return "\n".join(map(escaped, text.split("\n")))


def messages(count: int) -> str:
    """`1 message`, `2 messages`."""
    return "1 message" if count == 1 else f"{count} messages"


def died_at(wall_ms: int) -> str | None:
    """ISO 8601; None where a backend counted without looking at each."""
    return iso(wall_ms) if wall_ms else None


def print_counts(axes: Sequence[str], counts: Sequence[Count], filtered: bool) -> None:
    """A table of counts and their sum."""
    console = _console()
    if not counts:
        console.print("nothing is dead that passes these filters" if filtered else "nothing is dead")
        return
    table = _table([*axes, "messages", "oldest", "newest"])
    for count in counts:
        died = [shown(died_at(moment_ms)) for moment_ms in (count.oldest_ms, count.newest_ms)]
        row = [*count.group, str(count.messages), *died]
        table.add_row(*map(_cell, row))
    console.print(table)
    console.print(f"{sum(count.messages for count in counts)} in all")
    if not all(count.oldest_ms for count in counts):
        console.print("counted without reading them, so without times: an axis (--by route) reads them")


def print_entries(entries: Sequence[Entry], has_more: bool) -> None:
    """A table, a line a message."""
    console = _console()
    if not entries:
        console.print("nothing is dead that passes these filters")
        return
    # A line a message on any screen: `dead show` has all of the error, --json all of everything.
    table = _table(["id", "dead at", "route", "message", "key", "attempt"])
    table.add_column("error", overflow="ellipsis", no_wrap=True, ratio=1)
    for entry in entries:
        error = f"{entry.error_class}: {entry.error_message}"[:_MESSAGE_CHARS]
        row = [
            entry.id,
            entry.dead_at,
            _place(entry),
            entry.message_id,
            shown(entry.key),
            str(entry.attempt),
            error,
        ]
        table.add_row(*map(_cell, row))
    console.print(table)
    if has_more:
        console.print("there are more: --limit")


def print_entry(entry: Entry) -> None:
    """One message in full."""
    console = _console()
    table = Table.grid(padding=(0, 2))
    for name, value in _facts(entry).items():
        table.add_row(Text(name, style="bold"), _cell(value))
    console.print(table)
    for name, text in (("traceback", entry.traceback), (f"value ({entry.value_encoding})", _value(entry))):
        if text:
            console.print(Text(f"{name}:", style="bold"))
            console.print(Text(escaped_lines(text)), soft_wrap=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Any table, each cell escaped."""
    table = _table(columns)
    for row in rows:
        table.add_row(*map(_cell, row))
    _console().print(table)


def _facts(entry: Entry) -> dict[str, str]:
    facts = {
        name: shown(getattr(entry, name))
        for name in msgspec.structs.asdict(entry)
        if name not in ("headers", "traceback", "value", "value_encoding", "value_withheld_bytes")
    }
    facts |= {f"header {name}": shown(content) for name, content in entry.headers}
    if entry.value_withheld_bytes:
        facts["value"] = f"not kept: {entry.value_withheld_bytes} bytes are above the queues' limit"
    return facts


def _value(entry: Entry) -> str:
    if isinstance(entry.value, msgspec.Raw):
        return msgspec.json.format(bytes(entry.value), indent=2).decode()
    return "" if entry.value is None else str(entry.value)


def shown(value: Any) -> str:
    """Text, bytes or nothing, for a cell."""
    if isinstance(value, dict):
        return f"base64 {value['base64']}"
    return "-" if value is None else str(value)


def _place(entry: Entry) -> str:
    return f"{entry.route}.{entry.channel}" if entry.channel else entry.route


def _cell(text: str) -> Text:
    return Text(escaped(text), overflow="fold")


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("id", "dead at", "messages", "attempt"))
    return table


def _console() -> Console:
    console = Console(highlight=False, markup=False, emoji=False)
    return (
        console
        if console.is_terminal
        else Console(highlight=False, markup=False, emoji=False, width=_PIPE_WIDTH)
    )
