"""What passes from one incarnation to the next: feeders that adopt, couriers that are greeted."""

from collections.abc import Iterator

import pytest
import rig as r
from rig import Rig, opened, rig, serve_all

from ringmain.rings import CRASH
from ringmain.verdict import CHANNEL, DEAD, DONE, RETRY


@pytest.fixture
def ring() -> Iterator[Rig]:
    with rig() as made:
        yield made


def test_a_feeder_knows_thousands_of_partitions_and_the_longest_name_and_so_does_the_next(ring: Rig) -> None:
    longest, many = "t" * 249, 5000
    feeder = ring.feeder()
    assert [feeder.partition_index(longest, number) for number in range(many)] == list(range(many))
    feeder, handler, courier = ring.feeder(), ring.handler(), ring.courier()
    feeder.greet_courier()
    index = feeder.partition_index(longest, many - 1)
    assert index == many - 1
    feeder.open_partition(index, 0)
    feeder.place(index, 0, b"x")
    feeder.flush()
    serve_all(handler, lambda value: DEAD)
    feeder.settle()
    feeder.flush()
    (parcel,) = courier.take(1)
    assert (parcel.topic, parcel.partition) == (longest, many - 1)


def test_the_courier_carries_everything_of_a_message_and_its_ack_settles(ring: Rig) -> None:
    feeder, handler, courier = ring.feeder(), ring.handler(), ring.courier()
    feeder.greet_courier()
    index = opened(feeder, partition=3)
    feeder.place(index, 4, b"value", key=b"key", meta=b"meta", timestamp_ms=8, attempt=2, crashes=1)
    feeder.flush()
    serve_all(handler, lambda value: CHANNEL)
    assert courier.prepare_sleep()
    feeder.settle()
    feeder.flush()
    (parcel,) = courier.take(5)
    assert (parcel.verdict, parcel.detail, parcel.meta) == (CHANNEL, b"said so", b"meta")
    assert (parcel.key, parcel.value, parcel.headers) == (b"key", b"value", [])
    assert (parcel.topic, parcel.partition, parcel.offset) == ("t", 3, 4)
    assert (parcel.timestamp_ms, parcel.attempt, parcel.crashes) == (8, 2, 1)
    assert feeder.low_water(index) == 4
    courier.ack([parcel])
    feeder.settle()
    assert feeder.low_water(index) == 5
    courier.ack([parcel])
    feeder.settle()
    assert feeder.counters()["refused_acks"] == 1


@pytest.mark.parametrize(("order", "state"), [("none", r.COURIER), ("key", r.WAITING)])
def test_a_retry_without_order_leaves_by_the_courier_and_with_order_waits(
    ring: Rig, order: str, state: int
) -> None:
    feeder, handler = ring.feeder(order=order), ring.handler()
    index = opened(feeder)
    feeder.place(index, 0, b"", key=b"k")
    feeder.flush()
    serve_all(handler, lambda value: RETRY)
    feeder.settle()
    assert ring.states() == [state]


def test_a_new_courier_is_sent_what_the_last_one_had(ring: Rig) -> None:
    feeder, handler, first = ring.feeder(), ring.handler(), ring.courier()
    assert feeder.greet_courier()
    assert not feeder.greet_courier()
    index = opened(feeder)
    for offset in range(4):
        feeder.place(index, offset, b"")
    feeder.flush()
    serve_all(handler, lambda value: DEAD)
    feeder.settle()
    feeder.flush()
    held = first.take(2)
    first.ack(held[:1])
    second = ring.courier()
    assert feeder.greet_courier()
    again = second.take(9)
    assert sorted(parcel.offset for parcel in again) == sorted({0, 1, 2, 3} - {held[0].offset})
    second.ack(again)
    feeder.settle()
    assert feeder.low_water(index) == 4


def test_a_feeder_that_died_leaves_its_greeting_to_the_next(ring: Rig) -> None:
    feeder, handler, first = ring.feeder(), ring.handler(), ring.courier()
    feeder.greet_courier()
    index = opened(feeder)
    feeder.place(index, 0, b"")
    feeder.flush()
    serve_all(handler, lambda value: DEAD)
    feeder.settle()
    feeder.flush()
    first.take(1)
    second = ring.courier()
    adopter = ring.feeder()
    assert adopter.greet_courier()
    second.ack(second.take(9))
    adopter.settle()
    assert adopter.busy == 0


def test_verdicts_that_were_never_sent_are_sent_by_the_adopter(ring: Rig) -> None:
    feeder, handler, courier = ring.feeder(), ring.handler(), ring.courier()
    feeder.greet_courier()
    index = opened(feeder)
    feeder.place(index, 0, b"")
    feeder.flush()
    serve_all(handler, lambda value: DEAD)
    feeder.settle()  # and dies before its flush()
    for _ in range(3):  # so do two adopters
        adopter = ring.feeder()
    parcels = courier.take(9)
    assert {parcel.offset for parcel in parcels} == {0}
    courier.ack(parcels)
    adopter.settle()
    assert adopter.busy == 0


def test_an_adopter_holds_what_is_executed_and_frees_the_rest(ring: Rig) -> None:
    feeder, handler = ring.feeder(order="key"), ring.handler()
    index = opened(feeder)
    for offset in range(6):
        feeder.place(index, offset, b"%d" % offset, key=b"k%d" % (offset % 2))
    feeder.flush()
    (claim,) = handler.claim(1)
    adopter = ring.feeder(order="key")
    assert ring.states() == [r.EXECUTING]
    assert adopter.partition_index("t", 0) == index
    adopter.open_partition(index, 0)
    for offset in range(6):
        adopter.place(index, offset, b"%d" % offset, key=b"k%d" % (offset % 2))
    adopter.flush()
    done: list[bytes | None] = []
    for _ in range(6):
        serve_all(handler, done.append)
        adopter.settle()
        adopter.flush()
    assert done == [b"1", b"3", b"5"]  # the other key is still inside the late call
    handler.finish(claim, DONE)
    adopter.settle()
    assert adopter.low_water(index) == 0
    adopter.flush()
    for _ in range(6):
        serve_all(handler, done.append)
        adopter.settle()
        adopter.flush()
    assert done[3:] == [b"0", b"2", b"4"]
    assert adopter.low_water(index) == 6


def test_a_seat_given_on_while_no_feeder_sat_there_leaves_no_slot_behind(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    index = opened(feeder)
    feeder.place(index, 0, b"")
    feeder.flush()
    handler.claim(1)
    ring.overseer.free_feeder(0)
    ring.overseer.bury(handler.seat, CRASH)
    assert ring.handler().seat == handler.seat
    adopter = ring.feeder()
    assert adopter.busy == 0


def test_a_dead_handlers_seat_waits_for_every_feeder() -> None:
    with rig(feeders=2, handlers=1) as ring:
        first, second, handler = ring.feeder(0), ring.feeder(1), ring.handler()
        ring.overseer.bury(handler.seat, CRASH)
        for feeder in (first, second):
            assert ring.overseer.free_seat() == -1
            feeder.resolve(handler.seat)
            feeder.resolved(handler.seat)
        assert ring.overseer.free_seat() == handler.seat


def test_a_late_verdict_of_before_an_adoption_settles_no_tag(ring: Rig) -> None:
    feeder, handler = ring.feeder(tagged=True), ring.handler()
    index = feeder.partition_index("t", 0)
    feeder.place(index, 0, b"", tag=5)
    feeder.flush()
    (claim,) = handler.claim(1)
    adopter = ring.feeder(tagged=True)
    handler.finish(claim, DONE)
    adopter.settle()
    assert adopter.take_tags() == []
    assert adopter.busy == 0
