"""What calls send, and the verdicts of their messages: none is left before what its call sent is delivered.

`run` enters once per process, for an app that has producers. LOSS: a message is settled behind the reports of
what it sent, in whatever way its call ended well; a failure that the call does not know of fails it. PERF: a
call does not wait for Kafka: its verdict is kept back and others are called meanwhile. Only where the next
call must come later (order partition, the next of the same key, a batch) it waits in its place.
"""

import asyncio
import contextvars
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ringmain import clock, outgoing
from ringmain._fastpath import Outbox, Outboxes, keep_freed_memory
from ringmain.app import App
from ringmain.errors import DeliveryFailed
from ringmain.handle.plan import Plan
from ringmain.handle.resolve import CALL
from ringmain.handle.sync import Rest
from ringmain.handle.work import BEAT_S, STOP_SHARE, Work
from ringmain.outcome import Skip, To
from ringmain.producer import fulfilling
from ringmain.rings import HandlerSide
from ringmain.seat import Seat

if TYPE_CHECKING:
    from ringmain.kafka.outlets import Outlets

SLOW_S = 0.005
"""After a call that took so long, what it sent is waited for a moment: the next ones may take as long."""
LOOK_S = 0.001
"""While there are quick calls, reports are looked for so often."""
WAIT_S = 0.002
"""How long nobody looks for new messages while reports are waited for ..."""
LONGEST_WAIT_S = 0.05
"""... and how long if none come: a Kafka that is away costs no CPU."""
CALL_SHARE = 0.9
"""Of `timeout_s`, for a call with what it waits for in its place: beyond all of it the process is killed."""
ROOM_SHARE = 0.5
"""Of `timeout_s`, for the wait of one `send` for room in the client's queue."""
_IN_PLACE_S = 0.1
_log = logging.getLogger(__name__)
_box: contextvars.ContextVar[Outbox | None] = contextvars.ContextVar("ringmain.outbox", default=None)
"""What the present call of an event loop sent, and tasks and threads that it began."""


@dataclass(frozen=True)
class Sending:
    """What a process with producers goes by."""

    plan: Plan
    outlets: "Outlets"
    post: "Post | None"
    """Of a sync route; an async one's calls wait themselves."""
    delivering: "set[asyncio.Task[Any]]" = field(default_factory=set)
    """Tasks whose calls have ended and wait only for what they sent."""

    def end(self, work: Work) -> None:
        """The hooks are done: the last of what was sent, then the clients' end."""
        left_s = min(work.end_by_s - clock.monotonic_s(), work.seat.config.stop_s)
        if left := self.outlets.flush(max(0.0, left_s) * STOP_SHARE):
            _log.error("not delivered before this process ended", extra={"messages": left})
        self.outlets.close()


def prepare(
    app: App, seat: Seat, plan: Plan, side: HandlerSide, events: asyncio.AbstractEventLoop
) -> Sending:
    """Open the app's producers in this process, before anything of the author's runs."""
    who = f"{seat.pool}.{seat.index}"
    keep_freed_memory()
    if plan.spec.is_async:
        outlets = outgoing.for_event_loop(app, seat.config, who, present_box, events)
        delivering: set[asyncio.Task[Any]] = set()
        return Sending(enclose_async(plan, delivering), outlets, None, delivering)
    post = Post(side, plan)
    patience_s = plan.settings.timeout_s * ROOM_SHARE
    post.outlets = outgoing.for_calls_in_turn(app, seat.config, who, post.outboxes, patience_s)
    if plan.spec.batch:
        return Sending(enclose(plan, post.outboxes), post.outlets, post)
    side.outboxes = post.outboxes
    return Sending(plan, post.outlets, post)


class Post:
    """Calls that follow one another, and those of them whose verdicts are kept back."""

    def __init__(self, side: HandlerSide, plan: Plan) -> None:
        self.outlets: Outlets
        in_place = plan.spec.batch or plan.settings.order == "partition"
        self.outboxes = Outboxes(
            is_good=is_good,
            wait=self._empty_in_place,
            in_place=in_place,
            may_wait=plan.settings.order != "none",
        )
        self._side, self._resolver = side, plan.resolver
        self._wait_s = WAIT_S
        self._look_at_s = 0.0
        self._idles = False
        """Nothing has been called since the last wait."""
        self._stop_by_s: Callable[[], float] = lambda: math.inf
        self.outboxes.is_open = False

    @property
    def keeps(self) -> bool:
        """Whether verdicts are kept back."""
        return self._side.kept > 0

    @property
    def crowded(self) -> bool:
        """Whether calls would only wait."""
        return self.outlets.crowded

    def open(self, stop_by_s: Callable[[], float] = lambda: math.inf) -> None:
        """Calls may come. `stop_by_s`: until when one may wait, asked while one does."""
        self.outboxes.is_open, self._stop_by_s = True, stop_by_s

    def look_after(self, executed: int, began_s: float, now_s: float) -> None:
        """So many calls have ended: settle what is delivered, now and then."""
        self._idles = False
        if now_s - began_s > SLOW_S * executed:
            self.collect(SLOW_S)
        elif now_s >= self._look_at_s:  # PERF: a look costs as much as a call, a claim may last less than ten
            self._look_at_s = now_s + LOOK_S
            self.collect(0.0)

    def collect(self, wait_s: float) -> None:
        """Settle what is delivered, or is within so long."""
        if wait_s:
            self.outlets.rush(wait_s)
        else:
            self.outlets.poll()
        self._settle()

    def wait(self) -> None:
        """The same while there is nothing else to do."""
        # PERF: who rushes whenever nothing is there to call sends small requests, and Kafka pays for each.
        # But where messages drop in one by one for ever, nothing waits for a linger.ms of minutes.
        kept = self._side.kept
        if self._idles or self._wait_s >= LONGEST_WAIT_S:
            self.outlets.rush(self._wait_s)
        else:
            self.outlets.poll(self._wait_s)
        self._settle()
        self._idles = True
        self._wait_s = WAIT_S if self._side.kept < kept else min(2 * self._wait_s, LONGEST_WAIT_S)
        self._side.flush()

    def finish(self, work: Work) -> None:
        """The last call has ended. What is not delivered in time comes again."""
        self.outboxes.close()
        self.collect(0.0)
        while self.keeps and clock.monotonic_s() < work.deliver_by_s:
            self.collect(LONGEST_WAIT_S)
            work.beat()
        if returned := self._side.return_kept():
            said = {"messages": returned}
            _log.warning("what calls sent is not delivered in time: their messages come again", extra=said)
        self._side.flush()

    def _settle(self) -> None:
        spec = self._resolver.spec
        for claim, failure in self._side.settle_delivered():
            message = claim.message(spec.name, spec.channel)
            self._side.settle(claim, *self._resolver.resolve(message, None, failure, CALL))

    def _empty_in_place(self, box: Outbox, began_s: float) -> None:
        """LOSS: whoever would wait longer is killed, as if the call were at fault; or holds up a stop."""
        timeout_s = self._resolver.route.timeout_s
        while box.waiting:
            self.outlets.rush(_IN_PLACE_S)
            now_s = clock.monotonic_s()
            if box.waiting and now_s >= min(began_s + timeout_s * CALL_SHARE, self._stop_by_s()):
                reason = f"Kafka has not confirmed it in the time of its call (timeout_s = {timeout_s:g})"
                raise DeliveryFailed(self.outlets.behind, "", reason, away=True)


def enclose(plan: Plan, outboxes: Outboxes) -> Plan:
    """The plan whose calls answer for what they send; the compiled loop sees to it for single messages."""
    call = plan.spec.call

    def enclosed(*arguments: Any) -> Any:
        outboxes.begin()
        try:
            result = call(*arguments)
        except BaseException as error:
            if (failed := outboxes.judge(None, error, False)) is not error and failed is not None:
                raise failed from None
            raise
        if (failed := outboxes.judge(result, None, False)) is not None:
            raise failed
        return result

    return with_call(plan, enclosed)


def with_call(plan: Plan, call: Callable[..., Any]) -> Plan:
    spec = replace(plan.spec, call=call)
    return replace(plan, spec=spec, resolver=replace(plan.resolver, spec=spec))


def is_good(result: object) -> bool:
    """Whether what a call sent stands with this end of it, be it returned or raised."""
    kind = type(result)  # of an author's class that raises when it is asked, nothing is asked
    return not issubclass(kind, BaseException) or issubclass(kind, Skip | To)


def loop(work: Work, post: Post) -> None:
    """As sync.loop(), and what is delivered is settled in between."""
    rest = Rest(work)
    serve, next_beat_s, began_s = work.server(), 0.0, clock.monotonic_s()
    post.open(partial(_deliver_by_s, work))
    while not work.over:
        executed = 0 if post.crowded else serve()
        now_s = clock.monotonic_s()
        if executed:
            work.count(executed)
            post.look_after(executed, began_s, now_s)
        elif post.keeps or post.crowded:
            post.wait()
        else:
            rest.take()
        began_s = clock.monotonic_s()
        if began_s >= next_beat_s:
            work.beat()
            post.collect(0.0)  # reports of what hooks and threads sent, while there are no calls
            next_beat_s = began_s + BEAT_S
    work.finish()
    post.finish(work)


def _deliver_by_s(work: Work) -> float:
    """While a call waits nobody else hears the orders."""
    work.hear()
    return work.deliver_by_s


# -- on an event loop ----------------------------------------------------------------------------------------


def present_box() -> Outbox | None:
    """Of the call that sends; None outside of any, and for what a call left behind when it ended."""
    box = _box.get()
    return None if box is None or box.over else box


def enclose_async(plan: Plan, delivering: set[asyncio.Task[Any]]) -> Plan:
    """Calls last until what they sent is delivered. `delivering`: the tasks that only wait for that."""
    call = plan.spec.call

    async def enclosed(*arguments: Any) -> Any:
        box = Outbox()
        _box.set(box)
        try:
            result = await call(*arguments)
        except (Skip, To):
            await _emptied(box, delivering)
            raise
        finally:
            box.over = True
        if (box.waiting or box.failed) and is_good(result):
            await _emptied(box, delivering)
        return result

    return with_call(plan, enclosed)


async def _emptied(box: Outbox, delivering: set[asyncio.Task[Any]]) -> None:
    if box.waiting:
        emptied: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        wake, task = fulfilling(emptied), asyncio.current_task()
        assert task is not None
        box.call_when_empty(lambda _: wake())
        delivering.add(task)
        try:
            await emptied
        finally:
            delivering.discard(task)
    if box.failure is not None:
        raise box.take_failure()
