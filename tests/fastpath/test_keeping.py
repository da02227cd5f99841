"""Verdicts that are kept back until what a call sent is delivered: never lost, and nobody else's fault."""

import sys
import threading
from collections.abc import Iterator
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest
from rig import RAW, Rig, opened, plan_of, rig
from test_batches import place

from ringmain import Delivery, DeliveryFailed
from ringmain._fastpath import CallPlan, HandlerSide, Outbox, Outboxes
from ringmain.config.schema import Route
from ringmain.feed.loop import Feeder
from ringmain.handle.sending import Post
from ringmain.rings import CRASH, TIMEOUT
from ringmain.verdict import RETRY
from support.waiting import eventually

FAILED = DeliveryFailed("out", "bills", "too large")
AT_COURIER = 5
CALLS = 400


class Shelf:
    name = behind = "out"
    crowded = False
    rushed = 0

    def wait(self, delivery: Delivery, timeout_s: float | None) -> None: ...
    def poll(self, s: float = 0.0) -> None: ...
    def rush(self, s: float) -> None:
        self.rushed += 1


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


def post_of(side: HandlerSide) -> Post:
    """Calls of this side may send; each is settled by the post."""
    settings = SimpleNamespace(order="none")
    plan = SimpleNamespace(spec=SimpleNamespace(batch=False), settings=settings, resolver=Resolver())
    post = Post(side, plan)  # type: ignore[arg-type]
    post.outlets = Shelf()  # type: ignore[assignment]
    post.open()
    side.outboxes = post.outboxes
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


@pytest.fixture
def roomy() -> Iterator[Rig]:
    with rig(slots=512) as made:
        yield made


@pytest.fixture
def busy_threads() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before_s)


@pytest.mark.usefixtures("busy_threads")
def test_a_failure_that_another_thread_serves_whenever_it_likes_is_never_lost(roomy: Rig) -> None:
    """While the call lasts, at its very end, while its verdict is kept: all come up in so many calls."""
    feeder, handler = roomy.feeder(), roomy.handler()
    post, shelf, ends_when = post_of(handler), Shelf(), set[str]()
    on_its_way: SimpleQueue[Delivery | None] = SimpleQueue()

    def call(value: bytes | None) -> None:
        sent = Delivery(shelf, post.outboxes.present(), "bills")
        on_its_way.put(sent)
        if int(value or b"") % 2:
            assert eventually(lambda: sent.done)
            ends_when.add("within")

    def serve_reports() -> None:
        while (one := on_its_way.get()) is not None:
            one.fail(FAILED)

    thread = threading.Thread(target=serve_reports)
    thread.start()
    index = opened(feeder)
    for n in range(CALLS):
        place(feeder, index, n)
        assert handler.serve(plan_of(call)) == 1
        if handler.kept:
            ends_when.add("kept")
            assert eventually(lambda: not post.collect(0.0) and not post.keeps)
        feeder.settle()
        feeder.flush()
    on_its_way.put(None)
    thread.join()
    counted = roomy.overseer.handler_counters(handler.seat)
    assert (counted["done"], counted["retry"]) == (0, CALLS), "done although it was never delivered"
    assert ends_when == {"within", "kept"}


def test_a_kept_verdict_is_let_go_when_its_last_send_was_refused_in_a_thread(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    place(feeder, opened(feeder), 0)
    post = post_of(handler)
    on_its_way: list[Delivery] = []

    handler.serve(plan_of(lambda value: on_its_way.append(Delivery(Shelf(), post.outboxes.present(), "b"))))
    post.collect(0.0)
    assert post.keeps
    on_its_way[0].forget(FAILED)
    post.collect(0.0)
    feeder.settle()
    assert not post.keeps, "its slot stays EXECUTING as long as this process lives"
    assert ring.overseer.handler_counters(handler.seat)["retry"] == 1


def test_what_is_given_back_at_the_end_is_settled_by_nothing_that_comes_later(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    place(feeder, opened(feeder), 0, 1, 2)
    post, on_its_way = post_of(handler), list[Delivery]()
    send = plan_of(lambda value: on_its_way.append(Delivery(Shelf(), post.outboxes.present(), "b")))
    while handler.serve(send):
        pass
    assert (handler.kept, handler.return_kept(), handler.kept) == (3, 3, 0)
    for one in on_its_way:
        one.arrive()
    post.collect(0.0)
    feeder.settle()
    feeder.flush()
    assert ring.overseer.handler_counters(handler.seat)["done"] == 0
    assert handler.serve(plan_of(lambda value: None)) == 3, "each comes again"


def test_few_calls_all_the_time_do_not_keep_verdicts_as_long_as_the_client_lingers(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    place(feeder, opened(feeder), 0)
    post, shelf = post_of(handler), Shelf()
    post.outlets = shelf  # type: ignore[assignment]
    on_its_way: list[Delivery] = []
    handler.serve(plan_of(lambda value: on_its_way.append(Delivery(shelf, post.outboxes.present(), "b"))))
    for _ in range(3):  # soon some come by themselves, together
        post.look_after(1, 0.0, 0.0)
        post.wait()
    assert shelf.rushed == 0
    for _ in range(5):
        post.look_after(1, 0.0, 0.0)
        post.wait()
    assert shelf.rushed > 0


def test_what_is_sent_between_calls_is_no_calls() -> None:
    boxes = Outboxes()
    assert boxes.present() is None
    boxes.begin()
    assert boxes.present() is not None
    assert boxes.end().over
    assert boxes.present() is None


def test_a_thread_that_sends_first_has_the_calls_outbox() -> None:
    threads: list[threading.Thread] = []
    theirs: list[Outbox | None] = []

    class Slow(Outbox):
        """Somebody else sends while it is made."""

        def __init__(self) -> None:
            if not threads:
                threads.append(threading.Thread(target=lambda: theirs.append(boxes.present())))
                threads[0].start()
                threads[0].join()

    boxes = Outboxes(Slow)
    boxes.begin()
    assert [boxes.present()] == theirs
    assert [boxes.end()] == theirs


def test_a_kept_message_does_not_pass_the_time_of_somebody_elses_call(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    place(feeder, opened(feeder), *range(5))
    calls: list[int] = []

    def call(value: bytes | None) -> None:
        calls.append(int(value or b""))
        if len(calls) < 5:
            handler.keep(Outbox())  # ended well, waits for Kafka
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
        assert handler.serve(plan_of(lambda value, at=handler: at.keep(Outbox()))) == 1
        assert handler.kept == 1
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
            handler.keep(Outbox())
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
    while executed := handler.serve(plan_of(lambda value: handler.keep(Outbox()))):
        kept += executed
    assert kept == 40
    ring.overseer.bury(handler.seat, CRASH)
    mourner(feeder)._mourn(handler.seat)
    feeder.flush()
    other, done = ring.handler(), 0
    for _ in range(40):
        done += other.serve(plan_of(lambda value: other.keep(Outbox())))
    assert done > 1, "one suspect is kept, and nothing else is called here before Kafka has confirmed it"
