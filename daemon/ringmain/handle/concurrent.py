"""The loop of an async route: up to `concurrency` calls at once on one event loop.

`run` enters once per process. PERF: one task a call; for all calls together one timer, and one refill in a
turn of the event loop. Calls begin in the order of their deadlines, so only the oldest is watched. Nothing
is decided about a message.
"""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ringmain import clock, lifecycle
from ringmain.handle.resolve import CALL, DECODE, TOMBSTONE, Resolver
from ringmain.handle.work import BEAT_S, Work
from ringmain.message import Message
from ringmain.rings import BatchClaim, Claim
from ringmain.signature import WANTS_MESSAGE, WANTS_ONLY_MESSAGE
from ringmain.verdict import DONE, RETURNED

GRACE_S = 5.0
"""How long a cancelled call may go on before its process has to end."""

_log = logging.getLogger(__name__)
_claim: contextvars.ContextVar[Claim] = contextvars.ContextVar("ringmain.claim")
"""Whose call a task, or a thread or another task that it began, belongs to."""


@dataclass(frozen=True)
class Terms:
    """How calls are made: at most `concurrency` at once, each cancelled after `timeout_s`."""

    resolver: Resolver
    decode: Callable[[bytes], object] | None
    concurrency: int
    timeout_s: float
    grace_s: float
    delivering: Set["asyncio.Task[Any]"] = frozenset()
    """Tasks whose calls have ended and wait for Kafka: they are not cancelled, and given up at a stop."""


Begun = TypeVar("Begun", Claim, BatchClaim)


class Overlapping(Generic[Begun]):
    """The calls that are under way in this process, whatever one of them is about."""

    def __init__(self, work: Work, terms: Terms, events: asyncio.AbstractEventLoop) -> None:
        self._work, self._terms, self._events = work, terms, events
        self._side = work.side
        self._spec = terms.resolver.spec
        self._running: dict[Begun, asyncio.Task[None]] = {}  # in the order of their deadlines
        self._overdue: dict[Begun, float] = {}
        self._refill_is_due = False
        self._watch: asyncio.TimerHandle | None = None
        self._resumption: asyncio.TimerHandle | None = None
        # What on_start left is what every call begins with; what a call sets, the next one never sees.
        self._context = contextvars.copy_context()

    # -- the loop ----------------------------------------------------------------------------------------

    def run(self) -> None:
        """Call until an order or a limit ends it and what was begun is finished."""
        events = self._events
        events.add_reader(self._side.fileno(), self._rung)
        events.add_reader(self._work.seat.link.fileno(), self._told)
        self._beat()
        self._refill_soon()
        while not self._finished():
            try:
                events.run_forever()
            except BaseException as error:  # a background task of the user's raised SystemExit or the like
                _log.error("a task outside of any call raised", extra={"error_class": type(error).__name__})
            self._work.leave_if_forked()
        self._abandon()
        self._side.flush()

    def _finished(self) -> bool:
        """Nothing new may begin, and what still runs will not end by itself."""
        if not self._work.over:
            return False
        late = clock.monotonic_s() >= self._work.deliver_by_s
        return all(
            (late and task in self._terms.delivering) or self._is_stuck(claim)
            for claim, task in self._running.items()
        )

    def _beat(self) -> None:
        self._work.leave_if_forked()
        self._work.beat()
        self._events.call_later(BEAT_S, self._beat, context=self._context)
        self._refill_soon()

    def _told(self) -> None:
        self._work.hear()
        self._refill_soon()

    def _rung(self) -> None:
        self._work.leave_if_forked()
        self._side.awake()
        self._refill_soon()

    # -- beginning ---------------------------------------------------------------------------------------

    def _refill_soon(self) -> None:
        if not self._refill_is_due:
            self._refill_is_due = True
            self._events.call_soon(self._refill, context=self._context)

    def _refill(self) -> None:
        self._refill_is_due = False
        self._work.leave_if_forked()
        if self._finished():
            self._events.stop()
            return
        self._side.flush()
        while (room := self._room()) > 0:
            if not self._take(room) and self._side.prepare_sleep():
                self._come_back()
                break

    def _take(self, room: int) -> bool:
        """Begin up to so many calls; False = there is nothing."""
        raise NotImplementedError

    def _come_back(self) -> None:
        """Nobody rings when a pause ends, or when a batch has waited long enough."""
        wait_s = self._side.paused_s or self._side.held_for_s
        if not wait_s:
            return
        if self._resumption is not None:
            if self._resumption.when() <= self._events.time() + wait_s:
                return
            self._resumption.cancel()  # of a longer wait that is over before its time
        self._resumption = self._events.call_later(wait_s, self._resume, context=self._context)

    def _resume(self) -> None:
        self._resumption = None
        self._refill_soon()

    def _room(self) -> int:
        """How many more calls may begin."""
        raise NotImplementedError

    async def _call(self, claim: Begun) -> None:
        raise NotImplementedError

    def _end(self, claim: Begun, result: object, error: BaseException | None, stage: int) -> None:
        raise NotImplementedError

    # -- too long ----------------------------------------------------------------------------------------

    def _watch_by(self, delay_s: float) -> None:
        """Watch no later than that: what begins beside a call that was just cancelled has its own time."""
        if self._watch is not None and self._watch.when() > self._events.time() + delay_s:
            self._watch.cancel()
            self._watch = None
        if self._watch is None:
            self._watch_after(delay_s)

    def _watch_after(self, delay_s: float) -> None:
        self._watch = self._events.call_later(max(delay_s, 0.001), self._look, context=self._context)

    def _look(self) -> None:
        """Cancel what is past its time; come again when the next one would be."""
        self._work.leave_if_forked()
        self._watch = None
        now_s = clock.monotonic_s()
        for claim, task in list(self._running.items()):
            if claim in self._overdue or task in self._terms.delivering:
                continue
            left_s = claim.begun_ns / 1e9 + self._terms.timeout_s - now_s
            if left_s > 0:
                self._watch_after(left_s)
                break
            self._cancel(claim, task, now_s)
        if any(self._is_stuck(claim) for claim in self._overdue):
            self._give_up()
        elif self._overdue and self._watch is None:
            self._watch_after(self._terms.grace_s)

    def _cancel(self, claim: Begun, task: "asyncio.Task[None]", now_s: float) -> None:
        self._overdue[claim] = now_s
        task.cancel()
        # A task that never began ends without entering its call; only this hears of it.
        task.add_done_callback(lambda _: self._end(claim, None, None, CALL))

    def _fail_overdue(self, claim: Begun) -> None:
        """It was cancelled and has ended, or this process ends without it."""
        raise NotImplementedError

    def _is_stuck(self, claim: Begun) -> bool:
        since_s = self._overdue.get(claim)
        return since_s is not None and clock.monotonic_s() - since_s >= self._terms.grace_s

    def _give_up(self) -> None:
        """A call swallows its cancellation: this process ends as soon as the others have finished."""
        if not self._work.over:
            _log.error(
                "a call goes on after it was cancelled; its process ends",
                extra={"timeout_s": self._terms.timeout_s, "grace_s": self._terms.grace_s},
            )
            self._work.end(lifecycle.STUCK)
        self._refill_soon()
        if self._watch is None:
            self._watch_after(self._terms.grace_s)

    def _abandon(self) -> None:
        """ORDER: the event loop stands, what is stuck runs no more; only now may its key go on elsewhere."""
        late = 0
        for claim, task in list(self._running.items()):
            del self._running[claim]
            if task in self._terms.delivering:
                late += 1
                self._return(claim)
                continue
            self._overdue.setdefault(claim, 0.0)
            self._fail_overdue(claim)
        if late:
            _log.warning(
                "what calls sent is not delivered in time: their messages come again", extra={"calls": late}
            )

    def _return(self, claim: Begun) -> None:
        """Nothing failed, nothing is done: it is executed again, here or elsewhere."""
        raise NotImplementedError


class Calls(Overlapping[Claim]):
    """Calls of one message each."""

    def _take(self, room: int) -> bool:
        claims = self._side.claim(room)
        if claims:
            self._begin(claims)
        return bool(claims)

    def _room(self) -> int:
        """How many more calls may begin."""
        if self._work.over:
            return 0
        room = self._terms.concurrency - len(self._running)
        left = self._work.limits.left
        return room if left is None else min(room, left - len(self._running))

    def _begin(self, claims: list[Claim]) -> None:
        running, create_task, call = self._running, self._events.create_task, self._call
        for claim in claims:
            running[claim] = create_task(call(claim))
        self._watch_by(self._terms.timeout_s)

    # -- one call ----------------------------------------------------------------------------------------

    async def _call(self, claim: Claim) -> None:
        _claim.set(claim)
        stage, value = TOMBSTONE, claim.value
        result: object = None
        try:
            if value is not None or self._spec.accepts_none:
                stage = DECODE
                argument = self._decoded(claim, value)
                stage = CALL
                result = await self._coroutine(claim, argument)
        except BaseException as error:
            self._end(claim, None, error, stage)
        else:
            self._end(claim, result, None, stage)

    def _decoded(self, claim: Claim, value: bytes | None) -> object:
        decode = self._terms.decode
        if decode is None or value is None:
            return value
        if not claim.stands_for:
            return decode(value)
        began_s = clock.monotonic_s()
        argument = decode(value)
        self._side.count_decoding(clock.monotonic_s() - began_s, claim.stands_for)
        return argument

    def _coroutine(self, claim: Claim, argument: object) -> Any:
        spec = self._spec
        if spec.wants & WANTS_ONLY_MESSAGE:
            return spec.call(claim.message(spec.name, spec.channel))
        if spec.wants & WANTS_MESSAGE:
            return spec.call(argument, claim.message(spec.name, spec.channel))
        return spec.call(argument)

    def _end(self, claim: Claim, result: object, error: BaseException | None, stage: int) -> None:
        self._work.leave_if_forked()
        if self._running.pop(claim, None) is None:
            return
        if claim in self._overdue:
            self._fail_overdue(claim)
        elif result is None and error is None and stage == CALL:
            self._side.finish(claim, DONE)
        else:
            message = claim.message(self._spec.name, self._spec.channel)
            self._side.finish(claim, *self._terms.resolver.resolve(message, result, error, stage))
        self._work.count(1)
        self._refill_soon()

    def present(self) -> Message | None:
        """The message whose call asks; None outside of any, and for what a call left behind when it ended."""
        try:
            return _claim.get().message(self._spec.name, self._spec.channel)
        except (LookupError, ValueError):
            return None

    def _return(self, claim: Claim) -> None:
        self._side.finish(claim, RETURNED)

    def _fail_overdue(self, claim: Claim) -> None:
        del self._overdue[claim]
        message = claim.message(self._spec.name, self._spec.channel)
        self._side.finish(claim, *self._terms.resolver.timed_out(message, self._terms.timeout_s))
