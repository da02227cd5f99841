"""A route's segment: how large it becomes, what it hands to children, and that nothing of it stays behind."""

import os
import resource
from collections.abc import Iterator

import pytest

from ringmain.rings import Board, Geometry, Segment, bell
from support.descriptors import descriptors


@pytest.fixture
def segment() -> Iterator[Segment]:
    courier_bell = bell()
    made = Segment.create(Geometry.for_pool(2, 4, 100, 1 << 20), courier_bell)
    yield made
    made.close()
    os.close(courier_bell)


def test_a_geometry_has_room_for_twice_the_pool_or_for_64_handlers_and_for_spare_seats() -> None:
    geometry = Geometry.for_pool(feeders=12, handlers=4, messages=8192, arena_bytes=16 << 20)
    assert (geometry.feeders, geometry.handlers, geometry.slots) == (24, 72, 8192)
    assert geometry.block_bytes == 256
    assert Geometry.for_pool(12, 40, 8192, 16 << 20).handlers == 88


@pytest.mark.parametrize("messages", [1, 15, 16, 17, 8191, 8193, 100_000])
def test_slots_are_a_power_of_two_that_holds_the_messages(messages: int) -> None:
    slots = Geometry.for_pool(1, 1, messages, 1 << 24).slots
    assert slots >= max(messages, 16)
    assert slots & (slots - 1) == 0


def test_a_segment_costs_address_space_and_almost_no_memory(segment: Segment) -> None:
    memory, annex = segment.fds()[:2]
    assert os.fstat(memory).st_size > 1 << 20
    assert os.fstat(memory).st_blocks * 512 <= 64 << 10
    assert os.fstat(annex).st_blocks == 0


def test_every_side_opens_on_the_same_memory(segment: Segment) -> None:
    overseer = segment.overseer()
    seat = overseer.free_seat()
    handler = segment.open_handler(seat, overseer.admit(seat))
    feeder = segment.open_feeder(1, 1)
    courier = segment.open_courier(1)
    assert overseer.feeder_state(1) == 1
    assert len({handler.fileno(), feeder.fileno(), courier.fileno()}) == 3
    assert {handler.fileno(), feeder.fileno(), courier.fileno()} < set(segment.fds())


def test_a_seat_that_does_not_exist_is_refused(segment: Segment) -> None:
    with pytest.raises(ValueError, match="no feeder seat 16"):
        segment.open_feeder(16, 1)
    with pytest.raises(ValueError, match="no handler seat 99"):
        segment.open_handler(99, 1)


def test_closing_leaves_no_descriptor_behind() -> None:
    before = descriptors()
    courier_bell = bell()
    made = Segment.create(Geometry.for_pool(1, 1, 16, 1 << 16), courier_bell)
    made.close()
    os.close(courier_bell)
    assert descriptors() == before


def test_a_board_tells_how_long_ago_each_row_beat() -> None:
    board = Board(3)
    board.beat(1)
    assert board.age_s(1) < 5
    assert board.age_s(0) > board.age_s(1)
    board.close()


def test_an_arena_grows_to_four_of_the_largest_messages_and_keeps_what_stands_in_it() -> None:
    courier_bell = bell()
    segment = Segment.create(Geometry(1, 1, 16, 1 << 16, 256, arena_room_bytes=1 << 22), courier_bell)
    overseer = segment.overseer()
    feeder = segment.open_feeder(0, 1)
    index = feeder.partition_index("orders", 0)
    feeder.open_partition(index, 0)
    assert feeder.place(index, 0, b"x" * 1000)
    with pytest.raises(OverflowError):
        feeder.place(index, 1, b"x" * (1 << 17))
    overseer.learn_message_limit(1 << 17)
    adopted = segment.open_feeder(0, 2)
    adopted.open_partition(index, 0)
    assert all(adopted.place(index, offset, b"x" * (1 << 17)) for offset in range(3))
    segment.close()
    os.close(courier_bell)


def test_a_ring_that_is_refused_for_want_of_descriptors_keeps_none() -> None:
    courier_bell = bell()
    before = descriptors()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(lowest := os.dup(courier_bell))
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 10, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            Segment.create(Geometry.for_pool(2, 40, 100, 1 << 20), courier_bell)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert descriptors() == before
    os.close(courier_bell)
