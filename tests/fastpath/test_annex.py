"""A message larger than the whole arena: to the dead set by a private copy, one at a time, nothing lost."""

from collections.abc import Callable, Iterator

import pytest
import rig as r
from rig import Rig, opened, rig, serve_all

from ringmain._fastpath import Drain, Intake, PartitionQueue
from ringmain.rings import pack_headers
from ringmain.verdict import DEAD

LIMIT_BYTES = 1 << 14
"""What the topics are said to take: the arena has room for four of these."""
HUGE = bytes(range(256)) * (1 << 10)


@pytest.fixture
def ring() -> Iterator[Rig]:
    with rig(arena_bytes=4 * LIMIT_BYTES) as made:
        made.overseer.learn_message_limit(LIMIT_BYTES)
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


def test_it_is_carried_whole_and_no_handler_sees_it(ring: Rig, queue: Callable[..., PartitionQueue]) -> None:
    feeder, handler, courier = ring.feeder(), ring.handler(), ring.courier()
    index, intake = opened(feeder), Intake(feeder, b"too large")
    assert intake.take(queue(b"small", HUGE, b"small"), index, 10) == 3
    assert serve_all(handler, lambda value: None if value == b"small" else pytest.fail("seen")) == 2
    feeder.settle()
    assert feeder.low_water(index) == 1
    (parcel,) = courier.take(5)
    assert (parcel.verdict, parcel.detail, parcel.offset, parcel.timestamp_ms) == (DEAD, b"too large", 1, 9)
    assert (parcel.key, parcel.headers, parcel.value) == (b"key", [("h", b"1")], HUGE)
    courier.ack([parcel])
    feeder.settle()
    assert (feeder.low_water(index), feeder.busy, feeder.counters()["oversize"]) == (3, 0, 1)


def test_a_second_one_waits_until_the_first_is_settled(
    ring: Rig, queue: Callable[..., PartitionQueue]
) -> None:
    feeder, courier = ring.feeder(), ring.courier()
    index, intake, held = opened(feeder), Intake(feeder, b""), queue(HUGE, HUGE[1:])
    assert intake.take(held, index, 10) == 1
    assert intake.stalled
    for value in (HUGE, HUGE[1:]):
        intake.take(held, index, 10)
        (parcel,) = courier.take(5)
        assert parcel.value == value
        courier.ack([parcel])
        feeder.settle()
    assert feeder.low_water(index) == 2


def test_it_waits_while_nobody_knows_how_large_messages_may_be(
    queue: Callable[..., PartitionQueue],
) -> None:
    with rig(arena_bytes=4 * LIMIT_BYTES) as ring:
        feeder = ring.feeder()
        index, intake, held = opened(feeder), Intake(feeder, b""), queue(HUGE)
        assert intake.take(held, index, 10) == 0
        assert intake.stalled
        ring.overseer.learn_message_limit(LIMIT_BYTES)
        assert intake.take(held, index, 10) == 1
        assert ring.states() == [r.COURIER]


def test_the_next_feeder_keeps_it_until_the_courier_acks_and_reads_it_again(
    ring: Rig, queue: Callable[..., PartitionQueue]
) -> None:
    feeder, courier = ring.feeder(), ring.courier()
    assert Intake(feeder, b"").take(queue(HUGE), opened(feeder), 10) == 1
    adopted = ring.feeder()
    index, intake, held = opened(adopted), Intake(adopted, b""), queue(HUGE)
    assert intake.take(held, index, 10) == 0
    (parcel,) = courier.take(5)
    assert parcel.value == HUGE
    courier.ack([parcel])
    adopted.settle()
    assert intake.take(held, index, 10) == 1
