"""In whose name offsets are sent, and which call a handler died in: told through shared memory."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from rig import Rig, opened, rig

from ringmain._fastpath import (
    BatchClaim,
    FeederSide,
    HandlerSide,
    called_slot,
    tell_member,
)
from ringmain.rings import CRASH
from ringmain.verdict import DEAD, DONE
from support.forking import forked
from support.transactional import PLAN

IN_ORDER: dict[str, Any] = {"order": "partition", "run_limit": 16}


@pytest.fixture
def ring() -> Iterator[Rig]:
    with rig(slots=64, feeders=2) as made:
        yield made


def placed(feeder: FeederSide, count: int = 3) -> int:
    index = opened(feeder)
    feeder.tell_partition(index, 0, -1, False)
    for offset in range(count):
        assert feeder.place(index, offset, b"x")
    feeder.settle()
    feeder.flush()
    return index


def claimed(feeder: FeederSide, handler: HandlerSide) -> BatchClaim:
    for _ in range(3):
        if (batch := handler.batch(PLAN, 16)) is not None:
            return batch
        feeder.settle()
        feeder.flush()
    raise AssertionError("nothing came")


def test_a_batch_has_the_word_of_its_feeder_while_that_owns_the_partition(ring: Rig) -> None:
    feeder, handler = ring.feeder(**IN_ORDER), ring.handler()
    tell_member(feeder, b"generation 1")
    index = placed(feeder)
    batch = claimed(feeder, handler)
    assert len(batch) == 3
    assert batch.member() == b"generation 1"
    tell_member(feeder, b"generation 2, longer")
    assert batch.member() == b"generation 2, longer"
    feeder.close_partition(index)
    assert batch.member() is None


def test_a_partition_that_was_given_back_speaks_for_no_old_batch(ring: Rig) -> None:
    feeder, handler = ring.feeder(**IN_ORDER), ring.handler()
    tell_member(feeder, b"generation 1")
    index = placed(feeder)
    batch = claimed(feeder, handler)
    feeder.close_partition(index)
    feeder.open_partition(index, 0)
    feeder.tell_partition(index, 0, -1, False)
    assert batch.member() is None


def test_what_the_next_feeder_adopts_is_never_in_its_name(ring: Rig) -> None:
    feeder, handler = ring.feeder(**IN_ORDER), ring.handler()
    tell_member(feeder, b"generation 1")
    index = placed(feeder)
    batch = claimed(feeder, handler)
    heir = ring.feeder(**IN_ORDER)
    heir.open_partition(index, 0)
    heir.tell_partition(index, 0, -1, False)
    tell_member(heir, b"generation 2")
    assert batch.member() is None


def test_a_feeder_of_queues_has_no_word_and_wipes_an_earlier_ones(ring: Rig) -> None:
    tell_member(ring.feeder(**IN_ORDER), b"generation 1")
    feeder, handler = ring.feeder(tagged=True), ring.handler()
    index = opened(feeder)
    assert feeder.place(index, 7, b"x", tag=1)
    feeder.flush()
    assert claimed(feeder, handler).member() == b""


def test_a_word_that_is_too_long_is_refused(ring: Rig) -> None:
    with pytest.raises(ValueError, match="more than 4096"):
        tell_member(ring.feeder(), b"x" * 5000)


def test_a_dead_handlers_feeder_knows_its_call_and_no_other(ring: Rig) -> None:
    feeder, handler = ring.feeder(**IN_ORDER), ring.handler()
    placed(feeder)
    batch = claimed(feeder, handler)
    batch.begin_call(0)
    batch.end_call()
    assert called_slot(feeder, handler.seat) == -1
    batch.begin_call(1)
    assert ring.overseer.handler(handler.seat)[4] > 0
    ring.overseer.bury(handler.seat, CRASH)
    slots, executing, _, _ = feeder.resolve(handler.seat)
    assert executing == 3
    assert called_slot(feeder, handler.seat) in slots
    feeder.resolved(handler.seat)
    assert ring.overseer.free_seat() == handler.seat
    ring.overseer.admit(handler.seat)
    assert called_slot(feeder, handler.seat) == -1


def test_with_order_partition_nothing_overtakes_what_goes_straight_to_the_dead_set(ring: Rig) -> None:
    feeder, handler, courier = ring.feeder(**IN_ORDER), ring.handler(), ring.courier()
    feeder.greet_courier()
    index = opened(feeder)
    feeder.place(index, 0, b"x")
    feeder.place(index, 1, b"x", verdict=DEAD, detail=b"too large")
    feeder.place(index, 2, b"x")
    feeder.flush()
    batch = claimed(feeder, handler)
    assert [message.offset for message in batch.values] == [0]
    batch.finish(0, DONE)
    feeder.settle()
    feeder.flush()
    assert handler.batch(PLAN, 16) is None
    courier.ack(courier.take(5))
    feeder.settle()
    feeder.flush()
    assert [message.offset for message in claimed(feeder, handler).values] == [2]
    assert feeder.low_water(index) == 2


def test_one_that_is_confirmed_before_its_turn_leaves_no_gap_behind_it(ring: Rig) -> None:
    feeder, handler, courier = ring.feeder(**IN_ORDER), ring.handler(), ring.courier()
    feeder.greet_courier()
    index = opened(feeder)
    feeder.place(index, 0, b"x")
    feeder.place(index, 1, b"x", verdict=DEAD, detail=b"too large")
    feeder.place(index, 2, b"x")
    feeder.flush()
    courier.ack(courier.take(5))
    feeder.settle()
    feeder.flush()
    seen = []
    for _ in range(2):
        batch = claimed(feeder, handler)
        seen += [message.offset for message in batch.values]
        batch.done()
        feeder.settle()
        feeder.flush()
        if len(seen) == 2:
            break
    assert seen == [0, 2]
    assert feeder.low_water(index) == 3


def test_a_child_that_a_call_forked_does_not_end_its_parents_call(ring: Rig) -> None:
    feeder, handler = ring.feeder(**IN_ORDER), ring.handler()
    placed(feeder)
    batch = claimed(feeder, handler)
    batch.begin_call(0)

    def come_back() -> None:
        handler.disown()
        batch.end_call()

    os.waitpid(forked(come_back), 0)
    assert ring.overseer.handler(handler.seat)[4] > 0, "its time runs"
    assert called_slot(feeder, handler.seat) >= 0, "and if it dies it is known in which call"
