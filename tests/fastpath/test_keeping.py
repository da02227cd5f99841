"""Verdicts that are kept back until what a call sent is delivered: never lost, and nobody else's fault."""

import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from rig import RAW, Rig, opened, plan_of, rig
from test_batches import place

from ringmain import Delivery, DeliveryFailed, Sent
from ringmain._fastpath import CallPlan, HandlerSide
from ringmain.config.schema import Route
from ringmain.feed.loop import Feeder
from ringmain.handle.sending import Post
from ringmain.producer import Outbox
from ringmain.rings import CRASH, TIMEOUT
from ringmain.verdict import RETRY

FAILED = DeliveryFailed("out", "bills", "too large")
AT_COURIER = 5


class Kept(Delivery):
    def sent(self) -> Sent:
        return Sent("bills", 0, 7)


class Shelf:
    name = "out"
    crowded = False

    def wait(self, delivery: Delivery, timeout_s: float | None) -> None: ...
    def rush(self, s: float) -> None: ...
    def poll(self) -> None: ...


class Resolver:
    spec = SimpleNamespace(name="orders", channel="")
    route = SimpleNamespace(timeout_s=30.0)

    def resolve(self, message: Any, result: Any, error: Any, stage: int) -> tuple[int, bytes]:
        return RETRY, repr(error).encode()


class Gone(Exception): ...


@pytest.fixture
def ring() -> Iterator[Rig]:
    with rig(slots=64, feeders=2) as made:
        yield made


def post_of(side: Any) -> Post:
    post = Post(side, Resolver())  # type: ignore[arg-type]
    post.outlets = Shelf()  # type: ignore[assignment]
    post.open()
    post.within = True
    return post


def mourner(side: Any) -> Feeder:
    """A real one over this side: it judges as in production."""
    route = Route(name="orders", topics=("t",), order="none")
    return Feeder(SimpleNamespace(), route, side)  # type: ignore[arg-type]


def gone(*_: Any) -> Any:
    """This process is no more."""
    raise Gone


def _serve_until_gone(handler: HandlerSide, call: Any) -> None:
    while True:
        handler.serve(CallPlan(call, None, gone, RAW, True))


def test_a_failure_that_another_thread_serves_at_the_very_end_of_a_call_is_not_lost(ring: Rig) -> None:
    """Between end_call's look at `failure` and its look at `waiting` another thread serves the report."""
    feeder, handler = ring.feeder(), ring.handler()
    place(feeder, opened(feeder), 0)
    post, shelf = post_of(handler), Shelf()

    def tracer(frame: Any, event: str, arg: Any) -> Any:
        if frame.f_code is not Post.end_call.__code__:
            return None

        def lines(frame: Any, event: str, arg: Any) -> Any:
            box = frame.f_locals.get("box")
            if event == "line" and box is not None and box.over and looked:
                for one in list(box.waiting):  # "the other thread": its flush() serves everybody's reports
                    thread = threading.Thread(target=one.fail, args=(FAILED,))
                    thread.start()
                    thread.join()
            return lines

        return lines

    looked: list[int] = []
    original = Outbox.failure

    class Box(Outbox):
        @property
        def failure(self) -> DeliveryFailed | None:
            found = original.fget(self)  # type: ignore[attr-defined]
            looked.append(1)
            return found

    def call(value: bytes | None) -> None:
        post.box = Box()
        Kept(shelf, post.present_box())  # type: ignore[arg-type]
        sys.settrace(tracer)
        try:
            post.end_call(False)
        finally:
            sys.settrace(None)

    handler.serve(plan_of(call))
    post.collect(0.0)
    feeder.settle()
    counted = ring.overseer.handler_counters(handler.seat)
    assert (counted["done"], counted["retry"]) == (0, 1), "done although what it sent was never delivered"


def test_a_kept_verdict_is_let_go_when_its_last_send_was_refused_in_a_thread(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    place(feeder, opened(feeder), 0)
    post = post_of(handler)
    on_its_way: list[Kept] = []

    def call(value: bytes | None) -> None:
        on_its_way.append(Kept(Shelf(), post.present_box()))  # type: ignore[arg-type]
        post.end_call(False)

    handler.serve(plan_of(call))
    post.collect(0.0)
    assert post.keeps
    on_its_way[0].forget(FAILED)
    for _ in range(3):
        post.wait()
    feeder.settle()
    assert not post.keeps, "its slot stays EXECUTING as long as this process lives"
    assert ring.overseer.handler_counters(handler.seat)["retry"] == 1


def test_what_failed_between_calls_fails_no_later_call() -> None:
    kept: list[Any] = []
    post = post_of(SimpleNamespace(run_follows=False, keep=kept.append))
    post.within = False  # (with the mend)
    box = post.present_box()  # a thread sends while no call is under way
    Kept(Shelf(), box).fail(FAILED)  # type: ignore[arg-type]
    post.begin_call()  # the next message; its call sends nothing
    post.end_call(False)  # with_one() does it because post.box is there


def test_a_kept_message_does_not_pass_the_time_of_somebody_elses_call(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    place(feeder, opened(feeder), *range(5))
    calls: list[int] = []

    def call(value: bytes | None) -> None:
        calls.append(int(value or b""))
        if len(calls) < 5:
            handler.keep(object())  # ended well, waits for Kafka
            return
        ring.overseer.bury(handler.seat, TIMEOUT)  # the fifth hangs: the supervisor kills its process
        mourner(feeder)._mourn(handler.seat)
        raise KeyboardInterrupt

    with pytest.raises(Gone):
        _serve_until_gone(handler, call)
    assert ring.states().count(AT_COURIER) == 1, "four of them ended well, and count no attempt"


def test_a_message_whose_calls_all_ended_well_does_not_die_of_kills_between_calls(ring: Rig) -> None:
    feeder = ring.feeder()
    place(feeder, opened(feeder), 0)
    for _ in range(3):  # max_crashes is 2
        handler = ring.handler()
        assert handler.serve(plan_of(lambda value, at=handler: at.keep(object()))) == 1
        assert len(handler.kept()) == 1
        ring.overseer.bury(handler.seat, CRASH)
        mourner(feeder)._mourn(handler.seat)
        feeder.flush()
    assert AT_COURIER not in ring.states(), "dead of a HandlerCrash"


def test_a_call_that_kills_is_blamed_alone_whatever_is_kept_beside_it(ring: Rig) -> None:
    feeder, handler, calls = ring.feeder(), ring.handler(), []
    place(feeder, opened(feeder), *range(4))

    def call(value: bytes | None) -> None:
        calls.append(value)
        if len(calls) < 4:
            handler.keep(object())
            return
        ring.overseer.bury(handler.seat, CRASH)
        slots, executing, _, _ = feeder.resolve(handler.seat)
        assert executing == 1
        assert [ring.slots()[slot].offset for slot in slots] == [3]
        feeder.isolate(slots[0])
        raise KeyboardInterrupt

    with pytest.raises(Gone):
        _serve_until_gone(handler, call)
    assert sorted(slot.offset for slot in ring.slots() if slot.state) == [0, 1, 2, 3]


def test_a_kill_does_not_send_all_that_waits_for_kafka_through_one_by_one(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    place(feeder, opened(feeder), *range(40))
    kept = 0
    while executed := handler.serve(plan_of(lambda value: handler.keep(object()))):
        kept += executed
    assert kept == 40
    ring.overseer.bury(handler.seat, CRASH)
    mourner(feeder)._mourn(handler.seat)
    feeder.flush()
    other, done = ring.handler(), 0
    for _ in range(40):
        done += other.serve(plan_of(lambda value: other.keep(object())))
    assert done > 1, "one suspect is kept, and nothing else is called here before Kafka has confirmed it"
