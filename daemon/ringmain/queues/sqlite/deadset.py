"""The dead messages of one app in the queue file: summaries, pages, one entry, and the way to a hold.

The command line, the clerk and the admin enter. A file that is not there yet holds no dead messages; looking
never makes one, and never changes anything.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

from ringmain.queues import entry
from ringmain.queues.contract import Count, Dead, Page
from ringmain.queues.counting import check_axes, counted
from ringmain.queues.entry import Entry
from ringmain.queues.filters import Filter
from ringmain.queues.sqlite import query
from ringmain.queues.sqlite.deadrows import PIECE, DeadRows
from ringmain.queues.sqlite.hold import SqliteHold
from ringmain.queues.sqlite.holder import HolderLock
from ringmain.queues.sqlite.store import Store


class SqliteDeadSet:
    """contract.DeadSet over one connection of its own."""

    def __init__(self, app: str, store: Store) -> None:
        self._store = store
        self._rows = DeadRows(app, store)

    def missing(self) -> str:
        """Is there a file?"""
        if self._rows.exists():
            return ""
        return f"there is no queue file {self._store.path} yet: nothing was ever put into it"

    def summary(self, chosen: Filter, by: Sequence[str]) -> list[Count]:
        """Counts by axes; content filters read every candidate, the others only the index table."""
        check_axes(by)
        if not self._rows.exists():
            return []
        if chosen.reads_content:
            return counted(self._dead(chosen), by)
        clause = query.where(self._rows.app, self._rows.meant(chosen), 0)
        return self._rows.read(lambda connection: query.counts(connection, clause, by))

    def page(self, chosen: Filter, limit: int, cursor: str | None = None) -> Page:
        """A page, oldest first; the cursor is the id of its last entry."""
        rows = self._rows.scan(chosen, self._rows.row_id(cursor) or 0, limit + 1)
        found = [dead for _, dead in islice(rows, limit + 1)]
        shown = [entry.make(*dead) for dead in found[:limit]]
        return Page(shown, found[limit - 1].id if len(found) > limit else None)

    def get(self, entry_id: str) -> Entry | None:
        """One entry by its id."""
        return next(iter(self.page(Filter(ids=(entry_id,)), 1).entries), None)

    def read(self, chosen: Filter, limit: int) -> list[Dead]:
        """The first that pass."""
        return list(islice(self._dead(chosen, limit), limit))

    def mark(self) -> str:
        """The id that the next dead message would at least have."""
        return self._rows.entry_id(self._rows.next_id()) if self._rows.exists() else f"{0:08x}{0:016x}"

    def hold(self, who: str) -> SqliteHold:
        """The lock of a file beside the queue file says who has it; the kernel lets it go with its holder."""
        lock = HolderLock(self._store.folder / f"holder-{self._rows.app}", who)
        return SqliteHold(DeadRows(self._rows.app, Store(self._store.path)), lock)

    def close(self) -> None:
        """Let the file go."""
        self._store.close()

    def _dead(self, chosen: Filter, expected: int = PIECE) -> Iterator[Dead]:
        return (dead for _, dead in self._rows.scan(chosen, 0, expected))
