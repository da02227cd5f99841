"""What a queue feeder holds: it keeps nothing that it cannot place once it is told to take no more."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from ringmain import clock
from ringmain.config.schema import Channel, Config, Queues, Route
from ringmain.feed.deliveries import Deliveries
from ringmain.feed.pace import LEAST
from ringmain.lifecycle import pair
from ringmain.queues import names
from ringmain.queues.connect import connect
from ringmain.queues.envelope import Envelope, Packed
from ringmain.queues.frames import pack, unpack
from ringmain.rings import (
    BatchPlan,
    Board,
    CallPlan,
    FeederTerms,
    Geometry,
    HandlerSide,
    Segment,
    bell,
)
from ringmain.seat import Seat
from ringmain.verdict import CHANNEL, DEAD, DONE, decode
from support.waiting import eventually

READY = names.ready("shop", "orders")
OVERFLOW_QUEUE = names.overflow("shop", "orders")
MESSAGES = 8
ARENA_BYTES = 1 << 16
VALUE = b"x" * (ARENA_BYTES // 4)


def message(offset: int, value: bytes = VALUE) -> Envelope:
    return Envelope(
        value=value, key=None, headers=[], topic="orders", partition=0, offset=offset, timestamp_ms=0
    )


@pytest.fixture
def seat(tmp_path: Path) -> Iterator[Seat]:
    route = Route(name="orders", topics=("orders",), order="none")
    queues = Queues(backend="sqlite", path=str(tmp_path / "queues.db"))
    config = Config(app="a:b", name="shop", queues=queues, routes={"orders": route}, folder=str(tmp_path))
    segment, board = Segment.create(Geometry(1, 1, 16, ARENA_BYTES), bell()), Board(1)
    leash, link = pair()
    yield Seat("feed", config, {"orders": segment}, board, 0, link, "orders", source="queue")
    for open_one in (leash, link, segment, board):
        open_one.close()


def test_what_has_no_place_in_the_ring_is_others_as_soon_as_it_takes_no_more(seat: Seat) -> None:
    publisher = connect(seat.config).publisher()
    publisher.publish([(READY, message(offset)) for offset in range(MESSAGES)])
    publisher.pump()
    side = seat.segments["orders"].open_feeder(0, 1, FeederTerms(tagged=True))
    deliveries = Deliveries(seat, side)
    other = connect(seat.config).taker([READY])
    deliveries.take()
    assert deliveries.stalled()
    assert other.take(MESSAGES) == []
    deliveries.quiet()
    other.pump()
    assert len(other.take(MESSAGES)) == MESSAGES - side.busy
    assert not deliveries.stalled()
    for held in (other, deliveries, publisher):
        held.close()


def test_one_larger_than_the_arena_waits_for_the_topics_limit_and_then_is_dead_and_stops_nobody(
    seat: Seat,
) -> None:
    publisher = connect(seat.config).publisher()
    huge = b"x" * (2 * ARENA_BYTES)
    publisher.publish([(READY, message(0, huge)), (READY, message(1, b"small"))])
    publisher.pump()
    segment = seat.segments["orders"]
    side, courier, overseer = (
        segment.open_feeder(0, 1, FeederTerms(tagged=True)),
        segment.open_courier(1),
        segment.overseer(),
    )
    deliveries = Deliveries(seat, side)
    deliveries.take()
    assert (deliveries.stalled(), side.busy) == (True, 0)
    overseer.learn_message_limit(ARENA_BYTES // 4)
    deliveries.take()
    assert (deliveries.stalled(), side.busy) == (False, 2)
    (parcel,) = courier.take(5)
    assert (parcel.verdict, parcel.offset, parcel.value) == (DEAD, 0, huge)
    assert decode(parcel.detail).error_class == "MessageTooLarge"
    courier.ack([parcel])
    side.settle()
    deliveries.commit()
    assert side.busy == 1
    for held in (deliveries, publisher):
        held.close()


def serving(segment: Segment) -> HandlerSide:
    overseer = segment.overseer()
    seat = overseer.free_seat()
    return segment.open_handler(seat, overseer.admit(seat))


def queued(seat: Seat) -> dict[str, int]:
    return {name: depth.messages for name, depth in connect(seat.config).depths().items()}


def test_a_frame_is_acked_with_the_last_of_its_messages(seat: Seat) -> None:
    publisher = connect(seat.config).publisher()
    publisher.publish([(OVERFLOW_QUEUE, pack([message(offset, b"%d" % offset) for offset in range(5)]))])
    publisher.pump()
    segment = seat.segments["orders"]
    side, handler = segment.open_feeder(0, 1, FeederTerms(tagged=True)), serving(segment)
    deliveries = Deliveries(seat, side)
    deliveries.take()
    claims = handler.claim(5)
    assert [claim.value for claim in claims] == [b"0", b"1", b"2", b"3", b"4"]
    assert {claim.attempt for claim in claims} == {1}
    for left in (1, 0):
        for claim in claims[:4] if left else claims[4:]:
            handler.finish(claim, DONE)
        side.settle()
        deliveries.commit()
        deliveries.take()
        assert queued(seat) == ({OVERFLOW_QUEUE: left} if left else {})
    for held in (deliveries, publisher):
        held.close()


def test_a_feeder_that_leaves_gives_whole_frames_back_and_sends_on_the_rest_of_those_it_has_begun(
    seat: Seat,
) -> None:
    publisher = connect(seat.config).publisher()
    frames = [pack([message(number * 10 + each) for each in range(5)]) for number in range(3)]
    publisher.publish([(OVERFLOW_QUEUE, frame) for frame in frames])
    publisher.pump()
    segment = seat.segments["orders"]
    side, handler, courier = (
        segment.open_feeder(0, 1, FeederTerms(tagged=True)),
        serving(segment),
        segment.open_courier(1),
    )
    side.greet_courier()
    deliveries = Deliveries(seat, side)
    for _ in range(4):
        deliveries.take()
    assert (side.busy, deliveries.stalled()) == (4, True)
    claims = handler.claim(2)
    handled = [claim.message("orders").offset for claim in claims]
    for claim in claims:
        handler.finish(claim, DONE)
    deliveries.quiet()
    other = connect(seat.config).taker([OVERFLOW_QUEUE])
    sent_on: list[int] = []

    def left() -> bool:
        side.settle()
        deliveries.commit()
        gone = deliveries.leave(clock.monotonic_s() + 60)
        side.flush()
        while (frame := courier.take_frame()) is not None:
            sent_on.extend(one.offset for one in unpack(frame.body))
            courier.ack([frame])
        return gone

    eventually(left)
    deliveries.close()
    other.pump()
    assert [delivery.envelope for delivery in other.take(9)] == frames[1:]
    assert sorted(handled + sent_on) == [0, 1, 2, 3, 4]
    for held in (other, publisher):
        held.close()


def test_what_is_none_of_ours_goes_straight_to_the_dead_set_with_its_bytes(seat: Seat) -> None:
    publisher = connect(seat.config).publisher()
    publisher.publish([(OVERFLOW_QUEUE, Packed(b"no frame", 3)), (READY, message(1, b"ours"))])
    publisher.pump()
    segment = seat.segments["orders"]
    side, handler, courier = (
        segment.open_feeder(0, 1, FeederTerms(tagged=True)),
        serving(segment),
        segment.open_courier(1),
    )
    side.greet_courier()
    deliveries = Deliveries(seat, side)
    deliveries.take()
    assert [claim.value for claim in handler.claim(9)] == [b"ours"]
    (parcel,) = courier.take(5)
    assert (parcel.verdict, parcel.value, parcel.topic, parcel.partition) == (DEAD, b"no frame", "", -1)
    assert decode(parcel.detail).error_class == "ForeignMessage"
    courier.ack([parcel])
    side.settle()
    deliveries.commit()
    deliveries.take()
    assert queued(seat) == {READY: 1}
    for held in (deliveries, publisher):
        held.close()


def test_what_is_none_of_ours_waits_for_a_courier_that_was_greeted(seat: Seat) -> None:
    publisher = connect(seat.config).publisher()
    publisher.publish([(OVERFLOW_QUEUE, Packed(b"no frame", 3))])
    publisher.pump()
    segment = seat.segments["orders"]
    side, courier = segment.open_feeder(0, 1, FeederTerms(tagged=True)), segment.open_courier(1)
    deliveries = Deliveries(seat, side)
    deliveries.take()
    before = courier.take(5)
    side.greet_courier()
    deliveries.take()
    assert len(before + courier.take(5)) == 1, "a greeting sends again what was there before it"
    for held in (deliveries, publisher):
        held.close()


@pytest.mark.parametrize("full", [False, True])
def test_a_message_that_the_ring_cannot_name_is_dead_and_its_feeder_goes_on(seat: Seat, full: bool) -> None:
    publisher = connect(seat.config).publisher()
    strange = message(0, b"strange")
    strange = msgspec.structs.replace(strange, **({"topic": "new"} if full else {"attempt": 1 << 40}))
    publisher.publish([(READY, strange), (READY, message(1, b"ours"))])
    publisher.pump()
    segment = seat.segments["orders"]
    side, handler, courier = (
        segment.open_feeder(0, 1, FeederTerms(tagged=True)),
        serving(segment),
        segment.open_courier(1),
    )
    side.greet_courier()
    deliveries = Deliveries(seat, side)
    for partition in range(16_383 if full else 0):
        side.partition_index("orders", partition)
    deliveries.take()
    assert [claim.value for claim in handler.claim(9)] == [b"ours"]
    (parcel,) = courier.take(5)
    assert (parcel.verdict, parcel.value, parcel.topic) == (DEAD, b"strange", "")
    for held in (deliveries, publisher):
        held.close()


def test_no_more_is_in_hand_than_handlers_are_known_to_finish_in_a_minute(seat: Seat) -> None:
    publisher = connect(seat.config).publisher()
    publisher.publish([(READY, message(offset, b"")) for offset in range(100)])
    publisher.pump()
    side = seat.segments["orders"].open_feeder(0, 1, FeederTerms(tagged=True))
    deliveries = Deliveries(seat, side)
    for _ in range(5):
        deliveries.take()
    assert side.busy == LEAST // 2  # the other half is for what overflows
    other = connect(seat.config).taker([READY])
    other.pump()
    assert len(other.take(500)) == 100 - LEAST // 2
    for held in (deliveries, other, publisher):
        held.close()


def test_a_batch_does_not_wait_for_more_than_may_be_in_hand(seat: Seat) -> None:
    publisher = connect(seat.config).publisher()
    publisher.publish([(READY, message(offset, b"")) for offset in range(100)])
    publisher.pump()
    segment = seat.segments["orders"]
    side, handler = segment.open_feeder(0, 1, FeederTerms(tagged=True)), serving(segment)
    calls: list[int] = []
    one = CallPlan(lambda values: calls.append(len(values)), None, lambda *_: (DONE, b""), 2, True)
    plan = BatchPlan(one, lambda *_: iter(()), messages=500, size_bytes=1 << 20, wait_s=3600, attempts=12)
    deliveries = Deliveries(seat, side)

    def called() -> bool:
        deliveries.take()
        handler.serve_batch(plan, 500)
        return bool(calls)

    eventually(called, 10)
    assert calls == [LEAST // 2]
    for held in (deliveries, publisher):
        held.close()


@pytest.mark.parametrize("handled", [True, False])
def test_what_waits_for_a_route_without_a_handler_goes_where_through_leads(seat: Seat, handled: bool) -> None:
    route = msgspec.structs.replace(
        seat.config.routes["orders"], through="slow", channels={"slow": Channel()}
    )
    config = msgspec.structs.replace(seat.config, routes={"orders": route})
    publisher = connect(config).publisher()
    publisher.publish([(READY, message(0, b"small"))])
    publisher.pump()
    segment = seat.segments["orders"]
    side, courier = segment.open_feeder(0, 1, FeederTerms(tagged=True)), segment.open_courier(1)
    deliveries = Deliveries(replace(seat, config=config, handled=handled), side)
    deliveries.take()
    assert side.busy == handled, "a courier that was not greeted yet would get it twice"
    side.greet_courier()
    deliveries.take()
    assert side.busy == 1
    found = [(parcel.verdict, decode(parcel.detail).channel) for parcel in courier.take(5)]
    assert found == ([] if handled else [(CHANNEL, "slow")])
    for held in (deliveries, publisher):
        held.close()
