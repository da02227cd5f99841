"""Where the messages' time goes: each part is at least what was spent there, and no more than what passed."""

from collections.abc import Iterator

import pytest
from rig import Rig, opened, rig, serve_all

from ringmain import clock
from ringmain._fastpath import BatchPlan, CallPlan
from ringmain.verdict import DEAD

SPENT_NS = 20_000_000
UNIT_NS = 1 << 13
"""Of the time that a slot has room for."""
VALUE = 1


@pytest.fixture
def ring() -> Iterator[Rig]:
    with rig() as made:
        yield made


def spend() -> None:
    until_ns = clock.monotonic_ns() + SPENT_NS
    while clock.monotonic_ns() < until_ns:
        pass


def slowly(value: bytes) -> bytes:
    spend()
    return value


def total(ring: Rig, name: str) -> int:
    return ring.overseer.handler_counters(0)[name]


def test_waiting_is_counted_for_every_message_of_a_claim(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    index = opened(feeder)
    began_ns = clock.monotonic_ns()
    for offset in range(8):
        feeder.place(index, offset, b"x")
    feeder.flush()
    spend()
    assert serve_all(handler, lambda value: None) == 8
    waited_ns = total(ring, "waiting_ns")
    assert waited_ns >= 8 * (SPENT_NS - UNIT_NS)
    assert waited_ns <= 8 * (clock.monotonic_ns() - began_ns + UNIT_NS)


def test_what_waits_behind_its_key_waits_in_the_ring_from_its_turn_on(ring: Rig) -> None:
    feeder, handler = ring.feeder(order="key", run_limit=64), ring.handler()
    index = opened(feeder)
    for offset in range(8):
        feeder.place(index, offset, b"x", key=b"k")
    feeder.flush()
    spend()
    assert serve_all(handler, lambda value: None) == 1
    assert total(ring, "waiting_ns") >= SPENT_NS - UNIT_NS
    before_ns, began_ns = total(ring, "waiting_ns"), clock.monotonic_ns()
    feeder.settle()
    feeder.flush()
    spend()
    assert serve_all(handler, lambda value: None) == 7
    waited_ns = total(ring, "waiting_ns") - before_ns
    assert waited_ns >= 7 * (SPENT_NS - UNIT_NS)
    assert waited_ns <= 7 * (clock.monotonic_ns() - began_ns + UNIT_NS)


def test_a_message_that_comes_again_waits_anew(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    index = opened(feeder)
    feeder.place(index, 0, b"x")
    feeder.flush()
    (claim,) = handler.claim(1)
    spend()
    handler.finish(claim, 7)
    feeder.settle()
    feeder.flush()
    before_ns = total(ring, "waiting_ns")
    assert serve_all(handler, lambda value: None) == 1
    assert total(ring, "waiting_ns") - before_ns < SPENT_NS


@pytest.mark.parametrize("fails", [False, True])
def test_decoding_is_measured_once_a_claim_and_counted_for_all(ring: Rig, fails: bool) -> None:
    feeder, handler, calls = ring.feeder(), ring.handler(), []
    index = opened(feeder)
    for offset in range(6):
        feeder.place(index, offset, b"x")
    feeder.flush()

    def call(value: object) -> None:
        calls.append(value)
        if fails:
            raise ValueError

    plan = CallPlan(call, slowly, lambda *_: (DEAD, b""), VALUE, False)
    claims = 0
    while handler.serve(plan):
        claims += 1
    assert len(calls) == 6
    assert claims < 6
    decoding_ns, busy_ns = total(ring, "decoding_ns"), total(ring, "busy_ns")
    assert decoding_ns >= 6 * SPENT_NS
    assert busy_ns >= 6 * SPENT_NS


def test_what_cannot_be_decoded_leaves_no_time_behind_for_others(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    index = opened(feeder)

    def broken(value: bytes) -> object:
        raise ValueError

    feeder.place(index, 0, b"x")
    feeder.flush()
    assert handler.serve(CallPlan(lambda value: None, broken, lambda *_: (DEAD, b""), VALUE, False)) == 1
    assert total(ring, "decoding_ns") == 0


def test_of_overlapping_calls_one_stands_for_its_claim(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    index = opened(feeder)
    for offset in range(8):
        feeder.place(index, offset, b"x")
    feeder.flush()
    claimed = []
    while claims := handler.claim(8):
        assert sum(claim.stands_for for claim in claims) == len(claims)
        claimed += claims
    for claim in claimed:
        if claim.stands_for:
            handler.count_decoding(0.25, claim.stands_for)
        handler.finish(claim, 1)
    assert total(ring, "decoding_ns") == 8 * 250_000_000


def test_a_batch_is_measured_as_a_whole(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    index = opened(feeder)
    for offset in range(4):
        feeder.place(index, offset, b"x")
    feeder.flush()
    spend()
    plan = CallPlan(lambda values: None, slowly, lambda *_: (DEAD, b""), VALUE, False)
    batch = BatchPlan(plan, lambda *_: iter(()), messages=4, size_bytes=1 << 20, wait_s=0.0, attempts=3)
    assert handler.serve_batch(batch, 4) == 4
    assert total(ring, "waiting_ns") >= 4 * (SPENT_NS - UNIT_NS)
    assert 4 * SPENT_NS <= total(ring, "decoding_ns") <= total(ring, "busy_ns")


def test_what_the_courier_carries_is_timed_from_its_hand_over(ring: Rig) -> None:
    feeder, handler, courier = ring.feeder(), ring.handler(), ring.courier()
    index = opened(feeder)
    feeder.greet_courier()
    for offset in range(3):
        feeder.place(index, offset, b"x")
    feeder.flush()
    spend()
    began_ns = clock.monotonic_ns()
    assert serve_all(handler, lambda value: DEAD) == 3
    feeder.settle()
    feeder.flush()
    parcels = courier.take(8)
    spend()
    courier.ack(parcels)
    passed_ns = clock.monotonic_ns() - began_ns
    counted = ring.overseer.courier_counters()
    assert counted["carried"] == 3
    assert 3 * (SPENT_NS - UNIT_NS) <= counted["carrying_ns"] <= 3 * (passed_ns + UNIT_NS)
    courier.ack(parcels)
    feeder.settle()
    courier.ack(parcels)
    assert ring.overseer.courier_counters()["carried"] <= 6, "a slot that is not the courier's is not timed"
