"""The feeder's loop, the same over every source: take, place, settle, commit, beat.

A feeder's `run` enters with its source. What the ring cannot decide alone (a retry that waits in place, the
messages of a dead handler) is decided here; where messages come from and how they are committed is the
source's business. Nothing waits here but `rest`.
"""

import logging
import select
from typing import Protocol

from ringmain import clock, lifecycle, verdict
from ringmain.config.schema import Route
from ringmain.feed import blame
from ringmain.feed.transacting import Transacting
from ringmain.feed.waiting import Waiter, Waiting
from ringmain.lifecycle import (
    Order,
    Paused,
    Quiet,
    Retire,
    Seek,
    Settle,
    Settled,
    Sought,
    Status,
    Stop,
)
from ringmain.rings import SLEEP_EAGER, SLEEP_LAZY, SLEEP_ROOMY, TIMEOUT, FeederSide, origin_of
from ringmain.seat import Seat
from ringmain.verdict import PAUSE, Failure

BEAT_S = 1.0
SLOW_CALL_NS = 10_000_000
"""A call that lasts longer gives back what its handler had claimed behind it."""
LOOK_S = SLOW_CALL_NS / 1e9
OVERSIZE = verdict.encode(
    Failure(
        error_class="MessageTooLarge",
        error_message="larger than the ring's arena: raise ring.bytes to handle it",
    )
)

_log = logging.getLogger(__name__)


class Source(Protocol):
    """Where a feeder's messages come from, and where word goes that they are settled."""

    def take(self) -> bool:
        """Place what there is room for. True = there may be more at once."""

    def stalled(self) -> bool:
        """Waits for room in the ring."""

    def commit(self) -> None:
        """Send on what is settled, at its own pace."""

    def timeout_s(self) -> float:
        """Call again after this long, whatever fds() say."""

    def fds(self) -> list[int]:
        """Readable when there may be something to take."""

    def quiet(self) -> None:
        """Take nothing new from now on."""

    def pause(self, paused: Paused) -> None:
        """Take nothing new of these partitions until told otherwise."""

    def seek(self, order: Seek) -> Sought:
        """Read a partition on from elsewhere."""

    def leave(self, deadline_s: float) -> bool:
        """Withdraw what is not begun. True = what was begun is settled for good, or the deadline has passed.

        To be asked each turn, also after that: it may come to own more as long as it stays.
        """

    def retire(self) -> None:
        """Give away for good what this feeder owns."""

    def close(self) -> None:
        """Say the last word and let go."""

    def problem(self) -> str:
        """Why nothing comes; "" = all is well."""

    def refused(self) -> bool:
        """Is the problem one that waits for a person, although the other side answers?"""


class Feeder:
    """One feeder process over one source."""

    def __init__(self, seat: Seat, route: Route, side: FeederSide) -> None:
        self._seat = seat
        self._route = route
        self.side = side
        self.waiting = Waiting()
        self.transacting: Transacting | None = None
        """Of a transactional route, once its source is there."""
        self._poll = select.poll()
        self._watched: set[int] = set()
        self._leaving_by_s: float | None = None
        self._stays = False
        self._settled = False
        self._looked_s = 0.0
        self._said = ""

    def run(self, source: Source) -> int:
        """Until told to stop. Returns an exit code of lifecycle."""
        self._seat.link.send(lifecycle.Booted())
        try:
            while True:
                # ORDER: first: what is paused from birth on is not taken once.
                self._obey(source)
                more = source.take()
                back = self.settle()
                if self._done(source):
                    break
                source.commit()
                self._report(source)
                self.beat()
                # What came back since take() may be the room that it lacked.
                if not more and not (back and source.stalled() and self.side.roomy):
                    self._rest(source)
        finally:
            source.close()
        return lifecycle.OK

    # -- settle ------------------------------------------------------------------------------------------

    def settle(self) -> int:
        """Take in what came back, decide what needs a decision. Returns how many came back."""
        acks = self.side.settle()
        for slot, code, attempt, detail in self.side.take_events():
            self._wait_in_place(slot, code, attempt, verdict.decode(detail))
        now_s = clock.monotonic_s()
        for waiter in self.waiting.due(now_s):
            self.side.resume(waiter.slot, waiter.token, waiter.counted)
        self.side.greet_courier()
        for handler in self.side.dead_seats():
            if self.transacting is None or self.transacting.known(handler):
                self._mourn(handler)
        if self.side.busy and now_s - self._looked_s >= LOOK_S:
            self._looked_s = now_s
            self.side.take_back(SLOW_CALL_NS)
        self.side.flush()
        return acks

    def _wait_in_place(self, slot: int, code: int, attempt: int, failure: verdict.Failure) -> None:
        counted = failure.counted and code != PAUSE
        due_s = clock.monotonic_s() + (failure.delay_s or 0.0)
        self.waiting.add(Waiter(due_s, slot, self.side.token(slot), counted))
        if code != PAUSE:
            self.side.failed_first(slot, clock.wall_ms())
            said = {"message_id": origin_of(self.side, slot)[0], "attempt": attempt}
            said |= {"delay_s": failure.delay_s, "error_class": failure.error_class}
            _log.info("retry waits in place", extra=said)

    def _mourn(self, handler: int) -> None:
        slots, executing, cause, detail = self.side.resolve(handler)
        whole = blame.Death(cause, blame.words(cause, detail.decode(errors="replace")), executing)
        called = -1
        if self.transacting is not None:
            slots, called = self.transacting.last_first(slots), self.transacting.called(handler)
        for slot in slots:
            if self.transacting is not None and self.transacting.stands(slot):
                self.side.fail(slot, verdict.DONE, b"")
                continue
            death = whole if self.transacting is None else blame.of_one(whole, called == slot)
            sentence = self._judge(slot, death)
            self._say(slot, sentence.event, death)
            self._carry_out(slot, sentence)
        self.side.resolved(handler)

    def _judge(self, slot: int, death: blame.Death) -> blame.Sentence:
        if blame.innocent(death):
            return blame.for_innocent()
        if blame.suspected(death):
            return blame.for_suspect()
        attempt = self.side.attempt_of(slot)
        if blame.shared_last(self._route.retry, attempt, death):
            return blame.for_suspect()
        if death.cause == TIMEOUT:
            return blame.for_timeout(self._route.retry, attempt, death.detail)
        self.side.failed_first(slot, clock.wall_ms())
        return blame.for_crash(self.side.blame(slot), self._route.max_crashes, death.detail)

    def _say(self, slot: int, event: str, death: blame.Death) -> None:
        if event:
            message_id, crashes = origin_of(self.side, slot)
            said = {"message_id": message_id, "attempt": self.side.attempt_of(slot), "crashes": crashes}
            _log.warning(event, extra={**said, "detail": blame.first_line(death.detail)})

    def _carry_out(self, slot: int, sentence: blame.Sentence) -> None:
        if sentence.act == blame.FAIL:
            self.side.fail(slot, sentence.code, sentence.detail)
        elif sentence.act == blame.ALONE:
            self.side.isolate(slot)
        else:
            self.side.again(slot)

    # -- orders, reports, life -----------------------------------------------------------------------------

    def _obey(self, source: Source) -> None:
        for order in self._seat.link.receive():
            if isinstance(order, Paused):
                source.pause(order)
            elif isinstance(order, Seek):
                self._seat.link.send(source.seek(order))
            elif isinstance(order, Quiet):
                source.quiet()
            else:
                self._begin_to_leave(source, order)
        if self._seat.link.closed:
            self._leaving_by_s, self._stays = clock.monotonic_s(), False

    def _begin_to_leave(self, source: Source, order: Order) -> None:
        if isinstance(order, Retire):
            source.retire()
        elif isinstance(order, Settle | Stop):
            source.quiet()
        else:
            return
        self._leaving_by_s, self._stays = order.deadline_s, isinstance(order, Settle)

    def _done(self, source: Source) -> bool:
        if self._leaving_by_s is None or not source.leave(self._leaving_by_s):
            return False
        if self._stays and not self._settled:
            self._settled = self._seat.link.send(Settled())
        return not self._stays

    def _report(self, source: Source) -> None:
        problem = source.problem()
        word = "refused" if source.refused() else "unreachable"
        status = Status(word if problem else "ok", problem)
        if problem != self._said and self._seat.link.send(status):
            self._said = problem

    def kill_handlers(self, handlers: set[int], cause: int, detail: str) -> set[int]:
        """Ask the supervisor for the end of these handlers of the route; those that it could be asked for."""
        link = self._seat.link
        return {one for one in handlers if link.send(lifecycle.KillHandler(one, cause, detail))}

    def beat(self) -> None:
        """The loop goes round."""
        self._seat.board.beat(self._seat.beat)

    # -- rest --------------------------------------------------------------------------------------------

    def _rest(self, source: Source) -> None:
        """Sleep until somebody has something for us."""
        self._watch({*source.fds(), self.side.fileno(), self._seat.link.fileno()})
        if self.side.prepare_sleep(self._how_to_sleep(source)):
            self._poll.poll(max(0.0, self._nap_s(source)) * 1000)
        self.side.awake()

    def _how_to_sleep(self, source: Source) -> int:
        """Which acks are worth waking up for? None, where they would only move an offset.

        Whoever lacks room says so in any case: handlers do not wait for a batch to fill that cannot.
        """
        full = SLEEP_ROOMY if source.stalled() else 0
        if self._route.order != "none" or self._leaving_by_s is not None or (full and self.side.roomy):
            return SLEEP_EAGER | full
        return full or SLEEP_LAZY

    def nap_for(self, nap_s: float) -> None:
        """Sleep for so long at most, or until something comes back."""
        self._watch({self.side.fileno()})
        if self.side.prepare_sleep():
            self._poll.poll(max(0.0, nap_s) * 1000)
        self.side.awake()

    def _nap_s(self, source: Source) -> float:
        nap_s = min(BEAT_S, source.timeout_s())
        leaving = self._leaving_by_s is not None and not (self._settled and self._stays)
        if leaving or self.side.busy > len(self.waiting):
            nap_s = min(nap_s, LOOK_S)
        if (next_s := self.waiting.next_s) is not None:
            nap_s = min(nap_s, next_s - clock.monotonic_s())
        return nap_s

    def _watch(self, wanted: set[int]) -> None:
        if wanted == self._watched:
            return
        for fd in self._watched - wanted:
            self._poll.unregister(fd)
        for fd in wanted - self._watched:
            self._poll.register(fd, select.POLLIN)
        self._watched = wanted
