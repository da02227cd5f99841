"""Shows the demo: a live table on a terminal, a line now and then elsewhere.

stage.py enters with one Snapshot a tick. Nothing is measured or decided here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from ringmain.demo.snapshot import Snapshot

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live
    from rich.table import Table

LINE_EVERY_S = 2.0
DEAD_SHOWN = 5

_LINES_BESIDE = 18
"""Of the live picture, beside its partitions: the other tables, headings, blank lines, the cursor's own."""
_ID_WIDTH = 16


class View(Protocol):
    """Something that shows snapshots for the time of a `with` block."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def show(self, snapshot: Snapshot) -> None: ...
    def say(self, text: str) -> None: ...


def view_for(stream: TextIO) -> View:
    """A live table if people look at `stream`, else lines."""
    return LiveTable(stream) if stream.isatty() else Lines(stream)


class Lines:
    """One plain line every other second, for logs and pipes."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._due_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def show(self, snapshot: Snapshot) -> None:
        """A line if the last one is long enough ago."""
        if snapshot.seconds >= self._due_s or snapshot.complete:
            self._due_s = snapshot.seconds + LINE_EVERY_S
            self.say(line(snapshot))

    def say(self, text: str) -> None:
        """A line of its own."""
        print(text, file=self._stream, flush=True)


class LiveTable:
    """The table, redrawn in place."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self._console = Console(file=stream)
        self._live: Live | None = None

    def __enter__(self) -> Self:
        from rich.live import Live

        # FORK: no refresh thread, because children may still be started from this process.
        self._live = Live(console=self._console, auto_refresh=False)
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, snapshot: Snapshot) -> None:
        """Draw it."""
        if self._live:
            self._live.update(picture(snapshot, self._console.height), refresh=True)

    def say(self, text: str) -> None:
        """A line above the table."""
        self._console.print(text, markup=False, highlight=False)


def line(snapshot: Snapshot) -> str:
    """The snapshot in one line."""
    return (
        f"{snapshot.seconds:6.1f} s  done {snapshot.counted.done}"
        f"  retry {snapshot.counted.retry} ({snapshot.queued.waiting} waiting)"
        f"  dead {snapshot.queued.dead}  {snapshot.rate:.0f} msg/s"
    )


def picture(snapshot: Snapshot, height: int = 24) -> Group:
    """The snapshot as tables that fit into so many lines."""
    from rich.console import Group

    room = max(height - _LINES_BESIDE, 1)
    return Group(
        _outcomes(snapshot), "", _partitions(snapshot, room), "", _dead(snapshot), "", _now(snapshot)
    )


def _now(snapshot: Snapshot) -> str:
    if snapshot.counted.calls == 0:
        return " waiting for the consumer group: the embedded broker takes a second or two"
    done, dead = snapshot.counted.done, snapshot.queued.dead
    return f" {done:,} done, {dead:,} dead, {snapshot.seconds:.1f} s since the start"


def _partitions(snapshot: Snapshot, room: int) -> Table:
    table = _table("partition", "end", "committed", "lag", "msg/s")
    shown = snapshot.partitions[:room]
    for each in shown:
        _row(table, f"orders/{each.number}", (each.end, each.committed, each.lag, each.rate))
    hidden = len(snapshot.partitions) - len(shown)
    total = (snapshot.end, snapshot.committed, snapshot.end - snapshot.committed, snapshot.rate)
    _row(table, f"all, {hidden} hidden" if hidden else "all", total)
    return table


def _row(table: Table, name: str, numbers: Sequence[float]) -> None:
    table.add_row(name, *(f"{number:,.0f}" for number in numbers))


def _outcomes(snapshot: Snapshot) -> Table:
    table = _table("done", "retry", "waiting", "skip", "dead", "handlers")
    counted, queued = snapshot.counted, snapshot.queued
    numbers = (counted.done, counted.retry, queued.waiting, counted.skip, queued.dead, snapshot.handlers)
    table.add_row(*(f"{number:,}" for number in numbers))
    return table


def _dead(snapshot: Snapshot) -> Table:
    from rich.text import Text

    table = _table("latest dead", "why")
    table.columns[0].justify = table.columns[1].justify = "left"
    table.columns[0].min_width = _ID_WIDTH
    latest = [*snapshot.queued.latest, *[None] * DEAD_SHOWN][:DEAD_SHOWN]  # always as high, so nothing jumps
    for entry in latest:
        # As text: what a handler says in its errors is nobody's markup.
        table.add_row(Text(entry.message_id if entry else ""), Text(entry.reason if entry else ""))
    return table


def _table(*headings: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in headings:
        table.add_column(Text(heading), justify="right", no_wrap=True, overflow="ellipsis", min_width=9)
    return table
