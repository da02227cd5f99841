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
from ringmain.app import App
from ringmain.errors import DeliveryFailed
from ringmain.handle.plan import Plan
from ringmain.handle.resolve import CALL, Resolver
from ringmain.handle.sync import Rest
from ringmain.handle.work import BEAT_S, STOP_SHARE, Work
from ringmain.outcome import Skip, To
from ringmain.producer import Outbox, fulfilling
from ringmain.rings import Claim, HandlerSide
from ringmain.seat import Seat
from ringmain.verdict import RETURNED

if TYPE_CHECKING:
    from ringmain.kafka.producing import Outlets

SLOW_S = 0.005
"""After calls that took so long, what they sent is waited for a moment: the next ones may take as long."""
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
    if plan.spec.is_async:
        outlets = outgoing.for_event_loop(app, seat.config, who, present_box, events)
        delivering: set[asyncio.Task[Any]] = set()
        return Sending(enclose_async(plan, delivering), outlets, None, delivering)
    post = Post(side, plan.resolver)
    patience_s = plan.settings.timeout_s * ROOM_SHARE
    post.outlets = outgoing.for_calls_in_turn(app, seat.config, who, post.present_box, patience_s)
    in_place = plan.spec.batch or plan.settings.order == "partition"
    return Sending(enclose(plan, post, in_place=in_place), post.outlets, post)


class Post:
    """The outboxes of calls that follow one another."""

    def __init__(self, side: HandlerSide, resolver: Resolver) -> None:
        self.side = side
        self.outlets: Outlets
        self.box: Outbox | None = None
        """Of the present call, once it has sent something."""
        self._resolver = resolver
        self._is_open = False
        self.within = False
        """A call is under way; what a thread sends between calls is nobody's."""
        self._kept: dict[Outbox, Claim] = {}
        self._empty: list[Outbox] = []
        self._wait_s = WAIT_S
        self._began_s = math.inf
        self._stop_by_s: Callable[[], float] = lambda: math.inf

    def present_box(self) -> Outbox | None:
        """Whatever thread sends, it is on this call's account; None before the first and after the last."""
        if self.box is None and self.within and self._is_open:
            self.box = Outbox()
        return self.box

    def begin_call(self) -> None:
        """Of a call that may have to wait in its place: its time runs."""
        self._began_s = clock.monotonic_s()

    def end_call(self, in_place: bool) -> None:
        """The call ended well; DeliveryFailed if that is known not to be true."""
        box, self.box = self.box, None
        if box is None:
            return
        box.over = True
        if box.waiting and (in_place or self.side.run_follows):
            self._empty_in_place(box)
        # LOSS: in this order: another thread may serve the last report in between, and a failure is noted
        # before its delivery stops waiting.
        waits = bool(box.waiting)
        if box.failure is not None:
            raise box.failure
        if waits:
            self.side.keep(box)

    def drop(self) -> None:
        """The call failed anyway."""
        if self.box is not None:
            self.box.over = True
        self.box = None

    def _empty_in_place(self, box: Outbox) -> None:
        """LOSS: whoever would wait longer is killed, as if the call were at fault; or holds up a stop."""
        timeout_s = self._resolver.route.timeout_s
        while box.waiting:
            self.outlets.rush(_IN_PLACE_S)
            now_s = clock.monotonic_s()
            if box.waiting and now_s >= min(self._began_s + timeout_s * CALL_SHARE, self._stop_by_s()):
                name = next(iter(box.waiting)).producer
                reason = f"Kafka has not confirmed it in the time of its call (timeout_s = {timeout_s:g})"
                raise DeliveryFailed(name, "", reason, away=True)

    # -- between claims ----------------------------------------------------------------------------------

    @property
    def keeps(self) -> bool:
        """Whether verdicts are kept back."""
        return bool(self._kept)

    @property
    def crowded(self) -> bool:
        """Whether calls would only wait."""
        return self.outlets.crowded

    def open(self, stop_by_s: Callable[[], float] = lambda: math.inf) -> None:
        """Calls may come. `stop_by_s`: until when one may wait, asked while one does."""
        self._is_open, self._stop_by_s = True, stop_by_s

    def collect(self, wait_s: float) -> None:
        """Take over what was kept back, and settle what is delivered, or is within so long."""
        for claim in self.side.kept():
            self._kept[claim.sent] = claim
            claim.sent.call_when_empty(self._empty.append)
        if wait_s:
            self.outlets.rush(wait_s)
        else:
            self.outlets.poll()
        self._settle()

    def wait(self) -> None:
        """The same while there is nothing else to do."""
        self.outlets.rush(self._wait_s)
        self._wait_s = WAIT_S if self._empty else min(2 * self._wait_s, LONGEST_WAIT_S)
        self._settle()
        self.side.flush()

    def finish(self, work: Work) -> None:
        """The last call has ended. What is not delivered in time comes again."""
        self._is_open, self.box = False, None
        self.collect(0.0)
        while self._kept and clock.monotonic_s() < work.deliver_by_s:
            self.wait()
            work.beat()
        if self._kept:
            said = {"messages": len(self._kept)}
            _log.warning("what calls sent is not delivered in time: their messages come again", extra=said)
        for claim in self._kept.values():
            self.side.settle(claim, RETURNED)
        self._kept.clear()
        self.side.flush()

    def _settle(self) -> None:
        while self._empty:
            box = self._empty.pop()
            claim = self._kept.pop(box, None)
            if claim is None:  # two threads served its last two reports, and each found it empty
                continue
            if box.failure is None:
                self.side.settle(claim)
            else:
                spec = self._resolver.spec
                message = claim.message(spec.name, spec.channel)
                self.side.settle(claim, *self._resolver.resolve(message, None, box.failure, CALL))


def enclose(plan: Plan, post: Post, *, in_place: bool) -> Plan:
    """The plan whose calls leave their outbox at the post."""
    call = plan.spec.call
    begin = post.begin_call if in_place or plan.settings.order != "none" else _nothing

    def enclosed(*arguments: Any) -> Any:
        begin()
        post.within = True
        try:
            result = call(*arguments)
        except BaseException as error:
            post.within = False
            _end(post, error, in_place)
            raise
        post.within = False
        if post.box is not None:
            _end(post, result, in_place)
        return result

    return with_call(plan, enclosed)


def with_call(plan: Plan, call: Callable[..., Any]) -> Plan:
    spec = replace(plan.spec, call=call)
    return replace(plan, spec=spec, resolver=replace(plan.resolver, spec=spec))


def _nothing() -> None:
    """Of a call that never waits in its place."""


def _end(post: Post, result: object, in_place: bool) -> None:
    if is_good(result):
        post.end_call(in_place)
    else:
        post.drop()


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
            post.collect(SLOW_S if now_s - began_s > SLOW_S else 0.0)
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
        raise box.failure
