"""One bulk job from its mark to its end: pick, act, note, rest; until all is done or somebody says enough.

The command line and the clerk's role enter by `carry_out`. The job acts on what was dead at the mark. It ends
between two batches, never within one. Who, when, which and how many is logged and kept in the ledger.
"""

import contextlib
import logging
from dataclasses import dataclass, field

from ringmain.clerk.actions import Act
from ringmain.clerk.orders import Order
from ringmain.clerk.pace import Pace
from ringmain.clerk.records import Ledger, Record, Slip, State, begun
from ringmain.clock import monotonic_s, wall_ms
from ringmain.errors import RingmainError
from ringmain.queues.contract import Acted, Dead, DeadSet, Hold
from ringmain.queues.entry import iso

_SAVE_S = 0.5
_SLICE_S = 0.2
_FAILURES_KEPT = 20

log = logging.getLogger(__name__)


class Watcher:
    """Whoever started a job: sees it go on, and may end it."""

    def began(self, record: Record) -> None:
        """The dead set is in the job's hands, and its record is kept."""

    def progressed(self, record: Record) -> None:
        """After each batch."""

    def wants_end(self) -> bool:
        """Shall it end before its time?"""
        return False


@dataclass(frozen=True)
class Task:
    """An order with all that is needed to carry it out; `total` = how many it is about, as counted before."""

    order: Order
    act: Act
    mark: str
    total: int


def carry_out(task: Task, dead_set: DeadSet, ledger: Ledger, watcher: Watcher) -> Record:
    """Do it, and say how it went. DeadSetBusy when another job is at it; JobRefused without a ledger."""
    record = begun(task.order, task.total)
    with contextlib.closing(dead_set.hold(f"{task.order.who} (job {record.id})")) as hold:
        slip = ledger.open(record)
        with contextlib.closing(slip):
            watcher.began(record)
            Job(task, record, slip, watcher).run(hold)
    return record


@dataclass
class Job:
    """The loop's verbs, and what it remembers."""

    task: Task
    record: Record
    slip: Slip
    watcher: Watcher
    _sent: set[str] = field(default_factory=set)
    _saved_s: float = 0.0

    def __post_init__(self) -> None:
        order = self.task.order
        self._pace = Pace(order.rate, order.limit)

    def run(self, hold: Hold) -> None:
        """Until it is done, cancelled, stopped or failed; its record says which."""
        log.info("dead set: job began", extra=_said(self.record))
        state: State = "failed"
        try:
            state = self._work(hold)
        except RingmainError as error:
            self.record.note = str(error)
        finally:
            self.record.state = state
            self.record.ended_at = iso(wall_ms())
            self.slip.save(self.record)
            log.info("dead set: job ended", extra=_said(self.record))

    def _work(self, hold: Hold) -> State:
        for batch in hold.pick(self.task.order.chosen, self.task.mark, self._pace.at_once):
            if self._is_cancelled():
                return "cancelled"
            self._note(self._act(hold, batch[: self._pace.left]))
            self._listen(hold)
            if self._is_failing():
                return "stopped"
            if self._pace.over:
                return "done"
            if not self._rested(hold):
                return "cancelled"
        return "done"

    def _act(self, hold: Hold, batch: list[Dead]) -> Acted:
        if self.task.order.max_failed is not None:
            self._sent.update(dead.envelope.message_id for dead in batch)
        self._pace.did(len(batch), monotonic_s())
        return self.task.act(hold, batch)

    def _note(self, acted: Acted) -> None:
        record = self.record
        record.acted += len(acted.done)
        record.failed += len(acted.refused)
        room = _FAILURES_KEPT - len(record.failures)
        record.failures += [f"{entry_id}: {reason}" for entry_id, reason in acted.refused[:room]]
        if monotonic_s() - self._saved_s >= _SAVE_S:
            self._saved_s = monotonic_s()
            self.slip.save(record)
        self.watcher.progressed(record)

    def _listen(self, hold: Hold) -> None:
        """What this job replayed and is dead once more tells that it does not help."""
        if self.task.order.max_failed is not None:
            self.record.dead_again += sum(
                dead.envelope.replayed and dead.envelope.message_id in self._sent for dead in hold.arrivals()
            )

    def _is_failing(self) -> bool:
        most = self.task.order.max_failed
        return most is not None and self.record.failed + self.record.dead_again >= most

    def _rested(self, hold: Hold) -> bool:
        """Keep the rate; False when the rest was broken off."""
        while (rest_s := self._pace.rest_s(monotonic_s())) > 0:
            if self._is_cancelled():
                return False
            hold.rest(min(rest_s, _SLICE_S))
        return True

    def _is_cancelled(self) -> bool:
        return self.watcher.wants_end() or self.slip.is_cancelled()


def counted(dead_set: DeadSet, order: Order) -> int:
    """How many it would act on now."""
    found = sum(count.messages for count in dead_set.summary(order.chosen, []))
    return found if order.limit is None else min(found, order.limit)


def _said(record: Record) -> dict[str, object]:
    """The record for a line of the log."""
    said: dict[str, object] = {
        "job": record.id, "action": record.action, "who": record.who, "host": record.host,
        "filter": record.filter or "all", "messages": record.total,
    }  # fmt: skip
    if record.topic:
        said["to_topic"] = record.topic
    if record.edited:
        said["edited"] = True
    if record.ended_at:
        said |= {"state": record.state, "acted": record.acted, "failed": record.failed}
    if record.note:
        said["reason"] = record.note
    return said
