"""Who takes which report of a child: a table, report -> function.

The loop enters with each report. Whoever wants a kind of report registers for it when the Supervisor is made.
"""

from collections.abc import Callable
from typing import TypeVar, cast

from ringmain.lifecycle import Report
from ringmain.supervise.posts import Child

Said = TypeVar("Said")


class Reports:
    """Who listens to what."""

    def __init__(self) -> None:
        self._table: dict[type, Callable[[Child, object], None]] = {}

    def register(self, report: type[Said], take: Callable[[Child, Said], None]) -> None:
        """`take(child, report)` gets the reports of this type."""
        self._table[report] = cast("Callable[[Child, object], None]", take)

    def take(self, child: Child, report: Report) -> None:
        """Pass it on; what nobody wants is dropped."""
        wanted = self._table.get(type(report))
        if wanted is not None:
            wanted(child, report)
