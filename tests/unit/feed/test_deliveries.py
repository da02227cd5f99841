"""What a queue feeder holds: it keeps nothing that it cannot place once it is told to take no more."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ringmain.config.schema import Config, Queues, Route
from ringmain.feed.deliveries import Deliveries
from ringmain.lifecycle import pair
from ringmain.queues import names
from ringmain.queues.connect import connect
from ringmain.queues.envelope import Envelope
from ringmain.rings import Board, FeederTerms, Geometry, Segment, bell
from ringmain.seat import Seat
from ringmain.verdict import DEAD, decode

READY = names.ready("shop", "orders")
MESSAGES = 10
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
