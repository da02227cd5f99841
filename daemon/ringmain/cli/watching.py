"""A job as its operator sees it: a progress bar on a terminal, and Ctrl-C that ends it between two batches.

Commands that run a job enter. A second Ctrl-C ends it at once, which is as safe and less tidy.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ringmain.clerk.job import Watcher
from ringmain.clerk.records import Record


class Operator(Watcher):
    """Draws the bar, hears the signals."""

    def __init__(self, bar: Progress | None, row: TaskID | None) -> None:
        self._bar = bar
        self._row = row
        self._ending = False

    def progressed(self, record: Record) -> None:
        """Move the bar."""
        if self._bar is not None and self._row is not None:
            tried = record.acted + record.failed
            self._bar.update(self._row, completed=tried, description=_described(record))

    def wants_end(self) -> bool:
        """Has Ctrl-C been pressed?"""
        return self._ending

    def heard(self, _number: int, _frame: FrameType | None) -> None:
        """The first signal asks for the end, the second does not wait for it."""
        if self._ending:
            raise KeyboardInterrupt
        self._ending = True


@contextmanager
def watching(total: int) -> Iterator[Operator]:
    """While the job runs."""
    if not sys.stderr.isatty():
        with _obeying(Operator(None, None)) as operator:
            yield operator
        return
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    with bar, _obeying(Operator(bar, bar.add_task("", total=total))) as operator:
        yield operator


@contextmanager
def _obeying(operator: Operator) -> Iterator[Operator]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, operator.heard) for number in numbers]
    try:
        yield operator
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _described(record: Record) -> str:
    failed = f" ({record.failed} failed)" if record.failed else ""
    return f"{record.action}{failed}"
