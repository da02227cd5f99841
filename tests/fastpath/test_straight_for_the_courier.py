"""Straight for the courier: placed with a verdict or diverted, packed into frames, acked as one."""

from collections.abc import Callable, Iterator

import pytest
import rig as r
from hypothesis import given, settings
from hypothesis import strategies as st
from rig import Rig, opened, rig, serve_all

from ringmain._fastpath import Drain, Intake, PartitionQueue
from ringmain.queues.frames import FRAME_BYTES, count, pack, unpack
from ringmain.rings import FeederSide, pack_headers
from ringmain.verdict import CHANNEL, DEAD, DONE, OVERFLOW, PAUSE, RETRY

SLOTS = 16
KEPT = SLOTS // 8


@pytest.fixture
def ring() -> Iterator[Rig]:
    with rig(slots=SLOTS) as made:
        yield made


@pytest.fixture
def queue() -> Iterator[Callable[..., PartitionQueue]]:
    """queue(value, ...): a partition's queue that holds these, from offset 0."""
    made: list[PartitionQueue] = []

    def holding(*values: bytes) -> PartitionQueue:
        made.append(PartitionQueue(Drain(), "t", 0))
        for offset, value in enumerate(values):
            made[-1].push(b"key", value, pack_headers([("h", b"1")]), offset, 9)
        return made[-1]

    yield holding
    for one in made:
        one.close()


def placed(feeder: FeederSide, count: int, **with_: object) -> int:
    index = opened(feeder)
    for offset in range(count):
        assert feeder.place(index, offset, b"%d" % offset, **with_)  # type: ignore[arg-type]
    feeder.flush()
    return index


# -- placed with a verdict ---------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", [DEAD, CHANNEL])
def test_a_message_placed_with_a_verdict_is_the_couriers_and_settles_by_its_ack(
    ring: Rig, verdict: int
) -> None:
    feeder, handler, courier = ring.feeder(), ring.handler(), ring.courier()
    index = placed(feeder, 1, verdict=verdict, detail=b"because", meta=b"meta")
    assert serve_all(handler, lambda value: pytest.fail("a handler saw it")) == 0
    (parcel,) = courier.take(5)
    assert (parcel.verdict, parcel.detail, parcel.meta, parcel.value) == (verdict, b"because", b"meta", b"0")
    assert feeder.low_water(index) == 0
    courier.ack([parcel])
    feeder.settle()
    assert (feeder.low_water(index), feeder.busy, feeder.progress) == (1, 0, (0, 1))


@pytest.mark.parametrize("verdict", [DONE, RETRY, PAUSE, 99])
def test_a_verdict_that_only_a_handler_may_give_is_refused(ring: Rig, verdict: int) -> None:
    feeder = ring.feeder()
    with pytest.raises(ValueError, match="nobody executed"):
        placed(feeder, 1, verdict=verdict)
    with pytest.raises(ValueError, match="nobody executed"):
        Intake(feeder, b"").straight(verdict)


def test_a_dead_message_larger_than_the_arena_keeps_its_own_reason(ring: Rig) -> None:
    feeder, courier = ring.feeder(), ring.courier()
    huge = b"x" * (1 << 18)
    assert feeder.place(opened(feeder), 0, huge, verdict=DEAD, detail=b"foreign")
    feeder.flush()
    (parcel,) = courier.take(5)
    assert (parcel.verdict, parcel.detail, parcel.value) == (DEAD, b"foreign", huge)


def test_an_intake_sends_all_it_takes_straight_until_told_otherwise(
    ring: Rig, queue: Callable[..., PartitionQueue]
) -> None:
    feeder, handler, courier = ring.feeder(), ring.handler(), ring.courier()
    index, intake = opened(feeder), Intake(feeder, b"too large")
    held = queue(b"0", b"1", b"2")
    intake.straight(CHANNEL, b"express")
    assert intake.take(held, index, 2) >= 2
    intake.straight(0)
    held.push(None, b"last", b"", 3, 9)
    intake.take(held, index, 10)
    assert [(p.verdict, p.detail, p.value, p.headers) for p in courier.take(9)] == [
        (CHANNEL, b"express", b"%d" % n, [("h", b"1")]) for n in range(3)
    ]
    assert serve_all(handler, lambda value: None if value == b"last" else pytest.fail("seen")) == 1


def test_an_intake_leaves_what_is_too_large_for_a_frame_to_handlers(
    ring: Rig, queue: Callable[..., PartitionQueue]
) -> None:
    feeder, handler, courier = ring.feeder(), ring.handler(), ring.courier()
    intake = Intake(feeder, b"")
    intake.straight(OVERFLOW, limit_bytes=100)
    intake.take(queue(b"small", b"x" * 200), opened(feeder), 9)
    frame = courier.take_frame()
    assert frame is not None
    assert [message.value for message in unpack(frame.body)] == [b"small"]
    assert serve_all(handler, lambda value: None if value == b"x" * 200 else pytest.fail("seen")) == 1


# -- what is kept for them ---------------------------------------------------------------------------------


def test_an_eighth_of_the_slots_is_kept_for_what_goes_straight(ring: Rig) -> None:
    feeder = ring.feeder(courier_share=True)
    index = placed(feeder, SLOTS - KEPT)
    assert feeder.room == 0
    assert not feeder.place(index, SLOTS - KEPT, b"one more")
    for offset in range(SLOTS - KEPT, SLOTS):
        assert feeder.place(index, offset, b"", verdict=OVERFLOW)
    assert not feeder.place(index, SLOTS, b"", verdict=OVERFLOW)
    assert sorted(ring.states()) == [r.READY] * (SLOTS - KEPT) + [r.COURIER] * KEPT


def test_without_overflow_nothing_is_kept(ring: Rig) -> None:
    feeder = ring.feeder()
    placed(feeder, SLOTS)
    assert feeder.room == 0


def test_an_eighth_of_the_arena_is_kept_too_and_a_large_message_alone_may_have_it() -> None:
    with rig(slots=SLOTS, arena_bytes=64 * 64) as ring:
        feeder, handler = ring.feeder(courier_share=True), ring.handler()
        index = opened(feeder)
        assert feeder.place(index, 0, b"x" * 64 * 56)
        assert not feeder.place(index, 1, b"x")
        assert feeder.place(index, 1, b"x" * 64 * 8, verdict=OVERFLOW)
        feeder.flush()
        assert not feeder.place(index, 2, b"x" * 64 * 60)
        courier = ring.courier()
        feeder.greet_courier()
        serve_all(handler, lambda value: None)
        frame = courier.take_frame()
        assert frame is not None
        courier.ack([frame])
        feeder.settle()
        assert feeder.place(index, 2, b"x" * 64 * 60)


def test_half_of_the_ring_at_most_waits_for_the_courier(ring: Rig) -> None:
    feeder = ring.feeder(courier_share=True)
    index = placed(feeder, SLOTS // 2, verdict=OVERFLOW)
    assert not feeder.place(index, SLOTS // 2, b"", verdict=OVERFLOW)
    assert feeder.place(index, SLOTS // 2, b"")


# -- diverted ----------------------------------------------------------------------------------------------


def test_what_waits_beyond_the_oldest_is_diverted_and_those_stay_in_order(ring: Rig) -> None:
    feeder, handler, courier = ring.feeder(), ring.handler(), ring.courier()
    feeder.greet_courier()
    index = placed(feeder, 10)
    assert feeder.divert(4, 99, FRAME_BYTES) == 6
    assert (feeder.unclaimed, feeder.waiting_for_courier) == (4, 6)
    seen: list[bytes | None] = []
    serve_all(handler, seen.append)
    assert seen == [b"0", b"1", b"2", b"3"]
    frame = courier.take_frame()
    assert frame is not None
    assert [message.offset for message in unpack(frame.body)] == [4, 5, 6, 7, 8, 9]
    courier.ack([frame])
    feeder.settle()
    assert (feeder.low_water(index), feeder.busy, feeder.progress) == (10, 0, (4, 6))


def test_no_more_is_diverted_than_wanted_and_nothing_that_is_too_large(ring: Rig) -> None:
    feeder = ring.feeder()
    index = opened(feeder)
    for offset, size in enumerate([1, 1, 300, 1, 1, 1]):
        feeder.place(index, offset, b"x" * size)
    assert feeder.divert(1, 3, 256) == 3
    waiting = [slot.offset for slot in ring.slots() if slot.state == r.READY]
    assert sorted(waiting) == [0, 2, 5]


def test_nothing_is_diverted_of_what_was_tried_before_or_is_in_hand(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    index = opened(feeder)
    feeder.place(index, 0, b"in hand")
    feeder.place(index, 1, b"again", attempt=2)
    feeder.place(index, 2, b"killer", crashes=1)
    feeder.place(index, 3, b"replayed", meta=b"meta")
    feeder.flush()
    (claim,) = handler.claim(1)
    assert feeder.divert(0, 99, FRAME_BYTES) == 0
    assert sorted(ring.states()) == [r.READY, r.READY, r.READY, r.EXECUTING]
    handler.finish(claim, DONE)
    assert serve_all(handler, lambda value: None) == 3


def test_a_withdrawal_sends_on_what_was_never_executed_when_told_so(ring: Rig) -> None:
    feeder, handler, courier = ring.feeder(tagged=True), ring.handler(), ring.courier()
    feeder.greet_courier()
    index = opened(feeder)
    for offset in range(4):
        feeder.place(index, offset, b"", tag=7, attempt=2 if offset == 3 else 1)
    feeder.flush()
    (claim,) = handler.claim(1)
    assert feeder.withdraw(index, FRAME_BYTES) == 3
    handler.finish(claim, DONE)
    frame = courier.take_frame()
    assert frame is not None
    assert [message.offset for message in unpack(frame.body)] == [1, 2]
    courier.ack([frame])
    feeder.settle()
    assert (feeder.take_tags(), feeder.busy) == (
        [7, 7, 7],
        0,
    )  # the retry is given back with its own delivery


# -- frames ------------------------------------------------------------------------------------------------


_content = st.none() | st.binary(max_size=300)
_names = st.binary(max_size=40) | st.text(max_size=20).map(str.encode)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            _content, _content, st.lists(st.tuples(_names, _content), max_size=3), st.integers(-1, 2**62)
        ),
        min_size=1,
        max_size=6,
    )
)
def test_a_frame_says_of_a_message_what_a_parcel_would(
    messages: list[tuple[bytes | None, bytes | None, list[tuple[bytes, bytes | None]], int]],
) -> None:
    """The same messages once as frames, once as parcels: header names that are no UTF-8 are escaped."""
    with rig(slots=SLOTS) as ring:
        feeder, courier = ring.feeder(), ring.courier()
        feeder.greet_courier()
        index = feeder.partition_index("töpic", 70_000)
        feeder.open_partition(index, 0)
        for verdict in (OVERFLOW, DEAD):
            for number, (value, key, headers, timestamp_ms) in enumerate(messages):
                named = [(name.decode("utf-8", "surrogateescape"), content) for name, content in headers]
                feeder.place(
                    index,
                    number + (verdict == DEAD) * 100,
                    value,
                    key=key,
                    headers=pack_headers(named),
                    timestamp_ms=timestamp_ms,
                    verdict=verdict,
                )
        feeder.flush()
        frame = courier.take_frame()
        assert frame is not None
        opened_ones = unpack(frame.body)
        assert pack(opened_ones).messages == frame.messages == count(frame.body) == len(messages)
        for one, parcel in zip(opened_ones, courier.take(99), strict=True):
            assert (one.value, one.key, one.offset) == (parcel.value, parcel.key, parcel.offset - 100)
            assert one.headers == [
                (name.encode(errors="backslashreplace").decode(), content) for name, content in parcel.headers
            ]
            assert (one.topic, one.partition, one.timestamp_ms) == ("töpic", 70_000, parcel.timestamp_ms)
            assert (one.attempt, one.crashes, one.replayed) == (1, 0, False)


def test_a_frame_ends_at_its_limits_and_a_larger_message_goes_alone(ring: Rig) -> None:
    feeder, courier = ring.feeder(), ring.courier()
    index = opened(feeder)
    for offset, size in enumerate([100, 100, 100, 2000, 100]):
        feeder.place(index, offset, b"x" * size, verdict=OVERFLOW)
    feeder.flush()
    sizes = []
    while (frame := courier.take_frame(2, 1000)) is not None:
        sizes.append([len(message.value or b"") for message in unpack(frame.body)])
    assert sizes == [[100, 100], [100], [2000], [100]]


def test_a_feeder_may_want_smaller_frames(ring: Rig) -> None:
    feeder, courier = ring.feeder(), ring.courier()
    placed(feeder, 5, verdict=OVERFLOW)
    feeder.limit_frames(2)
    sizes = []
    while (frame := courier.take_frame()) is not None:
        sizes.append(frame.messages)
    assert sizes == [2, 2, 1]


def test_a_frame_spans_feeders_and_its_ack_settles_all_of_them() -> None:
    with rig(feeders=2, slots=SLOTS) as ring:
        feeders, courier = [ring.feeder(0), ring.feeder(1)], ring.courier()
        for feeder in feeders:
            feeder.greet_courier()
            placed(feeder, 3, verdict=OVERFLOW)
        frame = courier.take_frame()
        assert frame is not None
        assert (frame.messages, courier.take_frame()) == (6, None)
        courier.ack([frame])
        for feeder in feeders:
            feeder.settle()
            assert (feeder.low_water(0), feeder.busy, feeder.waiting_for_courier) == (3, 0, 0)


def test_frames_and_parcels_leave_in_the_order_in_which_they_were_sent(ring: Rig) -> None:
    feeder, courier = ring.feeder(), ring.courier()
    index = opened(feeder)
    for offset, verdict in enumerate([DEAD, OVERFLOW, OVERFLOW, CHANNEL, OVERFLOW]):
        feeder.place(index, offset, b"", verdict=verdict)
    feeder.flush()
    left: list[object] = []
    while not courier.prepare_sleep():
        left += [parcel.offset for parcel in courier.take(9)]
        frame = courier.take_frame()
        left += [[message.offset for message in unpack(frame.body)]] if frame else []
    assert left == [0, [1, 2], 3, [4]]


def test_a_new_courier_is_sent_frames_again_and_a_new_feeder_holds_them(ring: Rig) -> None:
    feeder, first = ring.feeder(), ring.courier()
    feeder.greet_courier()
    placed(feeder, 4, verdict=OVERFLOW)
    lost = first.take_frame()
    assert lost is not None
    second = ring.courier()
    assert feeder.greet_courier()
    again = second.take_frame()
    assert again is not None
    assert again.body == lost.body
    adopter = ring.feeder()
    assert (adopter.busy, adopter.waiting_for_courier) == (4, 4)
    second.ack([lost])  # of before: every one of its numbers is an old one
    adopter.settle()
    assert (adopter.busy, adopter.counters()["refused_acks"]) == (4, 4)
    second.ack([again])
    adopter.settle()
    assert (adopter.busy, adopter.waiting_for_courier, adopter.progress) == (0, 0, (0, 4))


def test_what_failed_and_waited_in_place_remembers_its_first_failure(ring: Rig) -> None:
    feeder, handler, courier = ring.feeder(order="key"), ring.handler(), ring.courier()
    feeder.greet_courier()
    placed(feeder, 1, key=b"k")
    for wall_ms in (111, 222):
        serve_all(handler, lambda value: RETRY)
        feeder.settle()
        ((slot, _, _, _),) = feeder.take_events()
        feeder.failed_first(slot, wall_ms)
        assert feeder.resume(slot, feeder.token(slot))
        feeder.flush()
    serve_all(handler, lambda value: DEAD)
    feeder.settle()
    feeder.flush()
    (parcel,) = courier.take(1)
    assert (parcel.first_failed_ms, parcel.detail) == (111, b"said so")
    courier.ack([parcel])
    feeder.settle()
    assert feeder.place(0, 1, b"", verdict=DEAD)  # the same slot: what it remembered is gone
    feeder.flush()
    assert courier.take(1)[0].first_failed_ms == 0
