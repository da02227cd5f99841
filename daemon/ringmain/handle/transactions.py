"""The loop of a transactional route: what calls send and the offsets of what they got stand or fall together.

`run` enters once per process. A claim is one partition's, in its order; a transaction is the first part of it
that ends well. LOSS: no verdict is left before its transaction stands, and no offset is sent beyond a message
that is to be tried again, or that is on its way to the dead set. What Kafka refuses comes again. Where nobody
knows, the process ends, and its feeder asks Kafka before anything of it is called again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ringmain import clock, lifecycle, outgoing
from ringmain._fastpath import Outboxes
from ringmain.app import App
from ringmain.errors import DeliveryFailed
from ringmain.handle.plan import Plan
from ringmain.handle.resolve import CALL
from ringmain.handle.sync import Rest
from ringmain.handle.transacted import Box, Calls, Run, Verdict, gathering, give_back
from ringmain.handle.work import BEAT_S, Work
from ringmain.logging import speak_of
from ringmain.message import Message
from ringmain.rings import BatchClaim, count_transaction
from ringmain.seat import Seat
from ringmain.verdict import DONE, SKIP

if TYPE_CHECKING:
    from ringmain.kafka.outlets import Outlets
    from ringmain.kafka.transacting import Step, Transaction

LONG_S = 0.1
"""After calls that took so long a transaction is committed, whatever else is there."""
FLUSH_S = 0.1
DELIVER_S = 1.0
"""How long what was sent is waited for outside of the commit, which cannot tell whose failure it is."""
REFUSED_S = 1.0
"""The longest wait for another word on the member after a refusal: the group moves."""
AGAIN_S = 0.1
"""Between two tries to begin, where Kafka refuses at once."""
_LOOK_S = 0.01
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kafka:
    """The room of that name, as far as a transaction needs it; loaded after the fork."""

    transaction: Transaction
    outlets: Outlets
    step: type[Step]


class Transactions:
    """Claims, cut into transactions."""

    def __init__(self, work: Work, transacting: Transacting) -> None:
        plan = transacting.plan
        self._work, self._side = work, work.side
        self._kafka, self._boxes = transacting.kafka, transacting.boxes
        self._calls = Calls(plan)
        speak_of(self._calls.present)
        self._plan = gathering(plan)
        self._most = plan.settings.batch.messages
        self._call_s = 0.001
        self._beat_s = self._began_s = 0.0
        self._ready = False

    # -- claims ------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether what another of this seat left open has ended."""
        if not self._ready:
            self._ready = self._kafka.transaction.prepare()
        return self._ready

    def serve(self) -> int:
        """One claim; how many messages it had."""
        limit = max(1, min(self._most, self._fitting, self._work.room))
        batch = self._side.batch(self._plan, limit)
        if batch is None:
            return 0
        at = 0
        while at < len(batch):
            if self._work.over or (member := batch.member()) is None:
                give_back(batch, at)
                break
            at = self._transact(batch, at, member)
            if len(batch) - at > 2 * self._fitting:
                # Calls have become slow: a stop or a revocation would wait for all of them.
                give_back(batch, at)
                break
        self._side.flush()
        return batch.executed

    @property
    def _fitting(self) -> int:
        """How many calls take no longer than a transaction should."""
        return max(1, int(LONG_S / self._call_s))

    def _transact(self, batch: BatchClaim, at: int, member: bytes) -> int:
        """One transaction, from the `at`th message on; where the next one begins."""
        run = self._attempt(batch, at, len(batch) - at)
        most, stop = run.length, run.stop
        while run.dirty and most and not self._work.over:
            # What one call sent cannot be taken out of it alone: those before it are called once more.
            if not self._abort():
                return self._leave(batch, at)
            run = self._attempt(batch, at, most)
            if run.length < most:
                most, stop = run.length, run.stop
        if run.dirty or most == 0:
            if not self._abort() or most:
                return self._leave(batch, at)
        elif not self._commit(batch, at, run, member):
            return self._leave(batch, at, run)
        return self._settle(batch, at, run.verdicts, stop)

    def _settle(self, batch: BatchClaim, at: int, verdicts: list[Verdict], stop: Verdict | None) -> int:
        for n, verdict in enumerate(verdicts, at):
            batch.finish(n, *verdict)
        at += len(verdicts)
        if stop is None:
            return at
        # LOSS: also behind one that is dead nothing goes on before the courier's confirm.
        batch.finish(at, *stop)
        give_back(batch, at + 1)
        return len(batch)

    def _leave(self, batch: BatchClaim, at: int, run: Run | None = None) -> int:
        """The transaction does not stand, or nobody knows."""
        if self._is_lost:
            return len(batch)
        fault = self._fault(run) if run is not None else None
        if fault is not None and run is not None and run.length == 1:
            batch.finish(at, *self._calls.resolver.resolve(batch.values[at], None, fault, CALL))
            at += 1
        elif fault is not None:
            self._call_s = LONG_S  # which one it was shows when they come one by one
        give_back(batch, at)
        return len(batch)

    def _fault(self, run: Run) -> DeliveryFailed | None:
        """What of these calls made Kafka refuse their transaction; None = it was not theirs."""
        lost = [box.lost for box in run.boxes if box is not None and box.lost is not None]
        transaction = self._kafka.transaction
        found = next((one for one in lost if not one.away), None)
        # LOSS: where all was delivered the offsets were refused: the topic is the one that is read.
        if found is None and lost and transaction.refused_topic:
            found = DeliveryFailed(transaction.id, "?", transaction.refused_topic)
        return found

    # -- calls -------------------------------------------------------------------------------------------

    def _attempt(self, batch: BatchClaim, at: int, most: int) -> Run:
        """Call up to `most`, in a transaction that begins here, and see what they sent delivered."""
        run, self._began_s = Run(), clock.monotonic_s()
        if not self._insist(self._kafka.transaction.begin):
            run.dirty = True
            return run
        began_s, messages = clock.monotonic_s(), batch.values
        for n in range(at, at + most):
            goes_on = self._call(batch, n, messages[n], run)
            self.live()
            if not goes_on or clock.monotonic_s() - began_s > LONG_S:
                break
        took_s = (clock.monotonic_s() - began_s) / (run.length + 1)
        self._call_s = max(1e-6, (self._call_s * 3 + took_s) / 4)
        self._deliver(run, messages[at : at + most])
        return run

    def live(self) -> None:
        """Between calls, however long they last: a stop is heard here, and who is silent is killed."""
        if (now_s := clock.monotonic_s()) >= self._beat_s:
            self._beat_s = now_s + BEAT_S
            self._work.beat()

    def _call(self, batch: BatchClaim, n: int, message: Message, run: Run) -> bool:
        self._boxes.begin()
        batch.begin_call(n)
        try:
            verdict = self._calls.execute(message)
        finally:
            batch.end_call()
            sent = self._boxes.end()
        self._work.leave_if_forked()
        if verdict[0] not in (DONE, SKIP):
            run.stop, run.dirty = verdict, sent is not None
            return False
        run.verdicts.append(verdict)
        run.boxes.append(sent)
        return True

    def _deliver(self, run: Run, messages: Sequence[Message]) -> None:
        """ORDER: a failure of an earlier call's is looked for first: what came after it may be its doing."""
        waiting = [box for box in run.boxes if box is not None]
        until_s = clock.monotonic_s() + DELIVER_S
        while any(box.waiting for box in waiting) and not any(box.lost for box in waiting):
            self._kafka.transaction.flush(FLUSH_S)
            if clock.monotonic_s() >= until_s:
                return  # the commit waits for the rest, or knows why there is no use
        for n, box in enumerate(run.boxes):
            if box is not None and box.lost is not None:
                if self._kafka.transaction.refuses_all(box.lost):
                    return  # nor does it show whose doing it is: the commit says
                run.fail_at(n, self._calls.resolver.resolve(messages[n], None, box.lost, CALL))
                return

    # -- the end of a transaction ------------------------------------------------------------------------

    def _commit(self, batch: BatchClaim, at: int, run: Run, member: bytes) -> bool:
        """Whether it stands."""
        transaction, last = self._kafka.transaction, batch.values[at + run.length - 1]
        if member:
            place = last.topic, last.partition, last.offset + 1
            if not self._insist(partial(transaction.send_offset, place, member)):
                return self._refused(batch, member)
        if self._insist(transaction.commit):
            count_transaction(self._side, stands=True, took_s=clock.monotonic_s() - self._began_s)
            return True
        return self._refused(batch, b"")

    def _abort(self) -> bool:
        """Whether it is known to be."""
        if not self._insist(self._kafka.transaction.abort):
            return False
        count_transaction(self._side, stands=False, took_s=clock.monotonic_s() - self._began_s)
        return True

    def _refused(self, batch: BatchClaim, member: bytes) -> bool:
        """It is aborted. Where the group has moved, its feeder will say what is different: soon, or now."""
        if self._is_lost or not self._abort():
            return False
        until_s = clock.monotonic_s() + REFUSED_S
        while member and batch.member() == member and clock.monotonic_s() < until_s:
            clock.sleep_s(_LOOK_S)
        self._work.beat()
        return False

    def _insist(self, step: Callable[[], Step]) -> bool:
        """Whether it is done, however long Kafka is away. After LOST this process is over."""
        word = self._kafka.step
        while (came := step()) is word.AGAIN:
            self._work.beat()
            if self._is_too_late:
                came = word.LOST
                break
        if came is word.LOST and not self._is_lost:
            _log.warning("it is not known whether a transaction stands: this process ends and Kafka is asked")
            self._work.exit_code = lifecycle.UNSURE
        return came is word.DONE

    @property
    def _is_lost(self) -> bool:
        return self._work.exit_code == lifecycle.UNSURE

    @property
    def _is_too_late(self) -> bool:
        """A stop waits no longer."""
        return self._work.over and clock.monotonic_s() > self._work.end_by_s - 2 * BEAT_S


def prepare(app: App, seat: Seat, plan: Plan) -> Transacting:
    """The client of this process, and the app's producers over it, before anything of the author's runs."""
    from ringmain.kafka import transacting

    boxes = Outboxes(Box)
    transaction = outgoing.transaction(seat.config, seat.route, seat.index)
    outlets = outgoing.for_transactions(app, seat.config, transaction, boxes)
    return Transacting(plan, Kafka(transaction, outlets, transacting.Step), boxes)


@dataclass(frozen=True)
class Transacting:
    """What a process of a transactional route goes by."""

    plan: Plan
    kafka: Kafka
    boxes: Outboxes

    def end(self, _work: Work) -> None:
        """The hooks are done: nothing is on its way but what is lost."""
        self.kafka.outlets.close()
        self.kafka.transaction.close()


def loop(work: Work, transacting: Transacting) -> None:
    """Serve until an order or a limit ends it."""
    transactions = Transactions(work, transacting)
    rest = Rest(work)
    while not work.over:
        if not transactions.ready:
            clock.sleep_s(AGAIN_S)
        elif executed := transactions.serve():
            work.count(executed)
        else:
            rest.take()
        transactions.live()
    work.side.return_held()
    work.finish()
