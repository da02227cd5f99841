"""Reads what the daemon has done from where anybody may read it: the queues' own contract.

run.py enters once a tick. Nothing here changes a queue or asks the daemon to do anything.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from ringmain.demo.snapshot import DeadEntry, Queued
from ringmain.errors import RingmainError
from ringmain.queues import names
from ringmain.queues.contract import Depth, Queues
from ringmain.queues.entry import Entry
from ringmain.queues.filters import Filter

_PAGE = 100
_LATEST = 5


class QueueObserver:
    """The demo's look at the queues; empty until the daemon has made them."""

    def __init__(self, open_queues: Callable[[], Queues]) -> None:
        self._open = open_queues
        self._queues: Queues | None = None
        self._last = Queued()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queues = None

    def queued(self) -> Queued:
        """What waits and what is dead now; the last known where the queues do not answer."""
        try:
            self._queues = self._queues or self._open()
            depths = self._queues.depths()
        except RingmainError:
            return self._last
        waiting, dead = waiting_and_dead(depths)
        latest = self._last.latest if dead == self._last.dead else self._latest(self._queues)
        self._last = Queued(waiting, dead, latest)
        return self._last

    def _latest(self, queues: Queues) -> list[DeadEntry]:
        dead_set = queues.dead_set()
        try:
            cursor: str | None = None
            entries: list[Entry] = []
            while True:  # oldest first, so the latest are at the end
                page = dead_set.list(Filter(), _PAGE, cursor)
                entries = (entries + page.entries)[-_LATEST:]
                cursor = page.cursor
                if cursor is None:
                    return [dead_entry(entry) for entry in reversed(entries)]
        finally:
            dead_set.close()


def waiting_and_dead(depths: dict[str, Depth]) -> tuple[int, int]:
    """Messages that will be tried again, and messages that will not."""
    waiting = dead = 0
    for queue, depth in depths.items():
        if names.parse(queue).kind == "dead":
            dead += depth.messages
        else:
            waiting += depth.messages
    return waiting, dead


def dead_entry(entry: Entry) -> DeadEntry:
    """An entry in one line; what the message holds is not shown."""
    said = entry.error_message.splitlines()
    return DeadEntry(entry.message_id, f"{entry.error_class}: {said[0]}" if said else entry.error_class)
