"""Reads what the daemon has done from where anybody may read it: the queues' own contract.

stage.py enters once a tick. Nothing here changes a queue or asks the daemon to do anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringmain.demo.snapshot import DeadEntry, Queued
from ringmain.errors import RingmainError
from ringmain.queues import names
from ringmain.queues.filters import Filter

if TYPE_CHECKING:
    from ringmain.queues.contract import Depth, Queues
    from ringmain.queues.entry import Entry

_PAGE = 100
_LATEST = 5


class QueueObserver:
    """The demo's look at the queues; nothing is in them until the daemon has made them."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues
        self._last = Queued()

    def queued(self) -> Queued:
        """What waits and what is dead now; the last known where the queues do not answer."""
        try:
            depths = self._queues.depths()
        except RingmainError:
            return self._last
        waiting, dead = waiting_and_dead(depths)
        latest = self._last.latest if dead == self._last.dead else self._latest()
        self._last = Queued(waiting, dead, latest)
        return self._last

    def _latest(self) -> list[DeadEntry]:
        dead_set = self._queues.dead_set()
        entries: list[Entry] = []
        try:
            page = dead_set.page(Filter(), _PAGE)
            while True:  # oldest first, so the latest are at the end
                entries = [*entries, *page.entries][-_LATEST:]
                if page.cursor is None:
                    return [dead_entry(entry) for entry in reversed(entries)]
                page = dead_set.page(Filter(), _PAGE, page.cursor)
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
    name = entry.error_class.rpartition(".")[2]
    return DeadEntry(entry.message_id, f"{name}: {said[0]}" if said else name)
