"""The dead messages of one app in RabbitMQ: summaries, pages, one entry, and the way to a hold.

The command line, the clerk and the admin enter. A look takes a prefix in hand, alone among all nodes for that
moment, and puts it back as it was. What a job has in hand just now is not seen: a job lets go every few
seconds, and a look waits for that.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

from ringmain.errors import QueuesAway
from ringmain.queues import entry, marks
from ringmain.queues.contract import Count, Dead, Page
from ringmain.queues.counting import check_axes, counted
from ringmain.queues.entry import Entry
from ringmain.queues.filters import Filter, matches
from ringmain.queues.rabbit.access import Access
from ringmain.queues.rabbit.deadrows import Places, merged, queues_of
from ringmain.queues.rabbit.hold import RabbitHold
from ringmain.queues.rabbit.line import Line
from ringmain.queues.rabbit.locks import Locks
from ringmain.queues.rabbit.scan import Scan
from ringmain.queues.rabbit.topology import Topology

LOOK_S = 15.0
"""How long a look waits for other looks, and for the moments in which a job has messages in hand."""
ALL = 1 << 20


class Cursor(NamedTuple):
    """The last entry of a page: by its id, or if it is gone by its time."""

    failed_ms: int
    id: str


class Look(NamedTuple):
    """A connection to look through."""

    line: Line
    locks: Locks
    scan: Scan


class RabbitDeadSet:
    """contract.DeadSet over a connection of its own, opened at the first look."""

    def __init__(self, app: str, access: Access, topology: Topology, places: Places) -> None:
        self._app = app
        self._access = access
        self._topology = topology
        self._places = places
        self._open: Look | None = None

    def missing(self) -> str:
        """Is there a dead queue?"""
        queues = queues_of(self._app, self._places, Filter())
        look = self._opened()
        if look.scan.depths(queues):
            return ""
        return f"there is no dead queue of {self._app!r} at {look.line.where} yet: nothing ever died"

    def summary(self, chosen: Filter, by: Sequence[str]) -> list[Count]:
        """Counts by axes; reads all, but for a count of everything in whole queues."""
        check_axes(by)
        plain = chosen == Filter(route=chosen.route, channel=chosen.channel)
        if plain and not by:
            return self._depth(chosen)
        with self._looking() as scan:
            return counted(self._passing(scan, chosen, ALL), by)

    def page(self, chosen: Filter, limit: int, cursor: str | None = None) -> Page:
        """A page, oldest first; without a filter only so much is taken in hand as it needs."""
        with self._looking() as scan:
            found = self._after(scan, chosen, _read(cursor), limit + 1)
        shown = [entry.make(*dead) for dead in found[:limit]]
        return Page(shown, _written(found[limit - 1]) if len(found) > limit else None)

    def get(self, entry_id: str) -> Entry | None:
        """One entry by its id."""
        return next(iter(self.page(Filter(ids=(entry_id,)), 1).entries), None)

    def read(self, chosen: Filter, limit: int) -> list[Dead]:
        """The first that pass."""
        with self._looking() as scan:
            return list(islice(self._passing(scan, chosen, limit), limit))

    def mark(self) -> str:
        """How many wait in each queue, while nobody has any in hand: what dies later is behind them."""
        with self._looking() as scan:
            return marks.written(scan.depths(queues_of(self._app, self._places, Filter())))

    def hold(self, who: str) -> RabbitHold:
        """On a connection of its own, with which the lock ends."""
        return RabbitHold(self._app, Line(self._access), self._topology, self._places, who)

    def close(self) -> None:
        """Let go."""
        if self._open is not None:
            self._open.line.close()
            self._open = None

    def _depth(self, chosen: Filter) -> list[Count]:
        depths = self._opened().scan.depths(queues_of(self._app, self._places, chosen))
        messages = sum(depths.values())
        return [Count((), messages, 0, 0)] if messages else []

    def _after(self, scan: Scan, chosen: Filter, cursor: Cursor | None, limit: int) -> list[Dead]:
        passing = self._passing(scan, chosen, limit)
        if cursor is None:
            return list(islice(passing, limit))
        younger: list[Dead] = []
        for dead in passing:
            if dead.id == cursor.id:
                return list(islice(passing, limit))
            if dead.envelope.failed_ms > cursor.failed_ms and len(younger) < limit:
                younger.append(dead)
        return younger  # the cursor's own entry was replayed or removed meanwhile

    def _passing(self, scan: Scan, chosen: Filter, want: int) -> Iterator[Dead]:
        left = set(chosen.ids)
        waiting = scan.depths(queues_of(self._app, self._places, chosen))
        for dead, _ in merged(scan, waiting, want):
            if chosen.ids and dead.id not in left:
                continue
            if matches(chosen, dead.route, dead.channel, dead.envelope):
                yield dead
            left.discard(dead.id)
            if chosen.ids and not left:
                return

    @contextmanager
    def _looking(self) -> Iterator[Scan]:
        """ORDER: given back before the lock, and both before the line, or a quorum queue is shuffled."""
        look = self._opened()
        try:
            look.locks.take_scan(LOOK_S)
            try:
                yield look.scan
            finally:
                look.scan.release()
                look.locks.leave_scan()
        except QueuesAway:
            self.close()
            raise

    def _opened(self) -> Look:
        if self._open is None:
            line = Line(self._access)
            self._open = Look(line, Locks(line, self._app), Scan(line, self._topology.kind))
        return self._open


def _written(last: Dead) -> str:
    return f"{last.envelope.failed_ms:x}.{last.id}"


def _read(cursor: str | None) -> Cursor | None:
    failed_ms, _, entry_id = (cursor or "").partition(".")
    try:
        return Cursor(int(failed_ms, 16), entry_id) if cursor else None
    except ValueError:
        return None
