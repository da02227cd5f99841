"""What is held for a batch is in nobody's way: of a full ring, a revoke, a suspect, a death, a probe."""

import os
import resource
import select
from collections.abc import Iterator

import pytest
from rig import Rig, opened, rig
from test_batches import LIMIT, Seen, batches, place, serve

from ringmain._fastpath import BatchPlan, CallPlan, FeederSide, HandlerSide, Message
from ringmain.rings import CRASH, GATE_FLOOD, SLEEP_EAGER, SLEEP_ROOMY, Geometry
from ringmain.verdict import DONE, RETRY, SKIP
from support.forking import forked

FOR_EVER_S = 3600
ORDER_NUMBERS = {"none": 0, "key": 1, "partition": 2}


@pytest.fixture
def ring() -> Iterator[Rig]:
    with rig(slots=64, feeders=2) as made:
        yield made


def is_rung(handler: HandlerSide) -> bool:
    return select.select([handler], [], [], 0)[0] == [handler]


def suspect_of(ring: Rig, feeder: FeederSide, index: int, offset: int) -> None:
    """A message that was under way when its handler died, and is to run alone."""
    victim = ring.handler()
    place(feeder, index, offset)
    assert len(victim.claim(1)) == 1
    ring.overseer.bury(victim.seat, CRASH)
    (slot,), _, _, _ = feeder.resolve(victim.seat)
    feeder.resolved(victim.seat)
    feeder.isolate(slot)


@pytest.mark.parametrize("how", [SLEEP_ROOMY, SLEEP_ROOMY | SLEEP_EAGER])
def test_a_feeder_that_lacks_blocks_makes_it_go_at_once(ring: Rig, how: int) -> None:
    feeder, handler, sizes = ring.feeder(), ring.handler(), []
    index, placed = opened(feeder), 0
    while feeder.place(index, placed, b"x" * 4000):
        placed += 1
    feeder.flush()
    assert placed < 60, "there are slots left"
    plan = batches(lambda values: sizes.append(len(values)), messages=64, wait_s=FOR_EVER_S)
    assert handler.serve_batch(plan, LIMIT) == 0
    assert handler.prepare_sleep()
    assert feeder.prepare_sleep(how)
    assert is_rung(handler)
    handler.awake()
    assert handler.serve_batch(plan, LIMIT) == placed


@pytest.mark.parametrize("order", ["none", "key", "partition"])
def test_a_feeder_that_is_full_of_what_hangs_behind_a_key_gets_all_of_it_done(ring: Rig, order: str) -> None:
    feeder, handler, seen = ring.feeder(order=order), ring.handler(), Seen()
    index, placed = opened(feeder), 0
    handler.limit_runs(LIMIT)
    plan = batches(seen, messages=LIMIT, wait_s=FOR_EVER_S, order=ORDER_NUMBERS[order])
    while feeder.place(index, placed, b"%d" % placed, key=b"k"):
        placed += 1
    for _ in range(10):
        feeder.settle()
        serve(handler, plan)
        feeder.prepare_sleep(SLEEP_EAGER | SLEEP_ROOMY)
        feeder.awake()
    feeder.settle()
    assert sorted(offset for batch in seen for offset in batch) == [*range(placed)]
    assert feeder.low_water(index) == placed


def test_an_eager_sleeper_that_is_full_is_woken_by_any_ack(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    place(feeder, opened(feeder), *range(64))
    assert feeder.prepare_sleep(SLEEP_EAGER | SLEEP_ROOMY)
    assert handler.serve_batch(batches(Seen(), messages=1), LIMIT) == 1
    handler.flush()
    assert select.select([feeder], [], [], 0)[0] == [feeder]
    feeder.awake()
    assert feeder.prepare_sleep(SLEEP_EAGER | SLEEP_ROOMY) is False


def test_whoever_wants_what_is_held_gets_it_called(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), Seen()
    place(feeder, opened(feeder), 0, 1)
    plan = batches(seen, wait_s=FOR_EVER_S)
    assert handler.serve_batch(plan, LIMIT) == 0
    assert handler.prepare_sleep()
    feeder.hurry_gatherers()
    assert is_rung(handler)
    handler.awake()
    assert handler.serve_batch(plan, LIMIT) == 2


def test_what_is_held_does_not_wait_for_the_end_of_a_suspects_call(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), Seen()
    index, plan = opened(feeder), batches(print, wait_s=FOR_EVER_S)
    place(feeder, index, 0, 1)
    assert handler.batch(plan, LIMIT) is None
    assert handler.held == 2
    suspect_of(ring, feeder, index, 2)
    feeder.flush()
    suspect = handler.batch(plan, LIMIT)
    assert suspect is not None
    assert suspect.suspect
    assert handler.batch(plan, LIMIT) is None
    assert handler.held == 0
    feeder.settle()
    feeder.flush()
    assert serve(ring.handler(), batches(seen)) == 2
    suspect.done()
    assert feeder.settle() >= 3
    assert feeder.low_water(index) == 3


def test_what_is_held_does_not_wait_for_calls_that_a_suspect_waits_for(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), Seen()
    index = opened(feeder)
    place(feeder, index, 0, 1)
    under_way = handler.batch(batches(print), LIMIT)
    assert under_way is not None
    place(feeder, index, 2, 3)
    plan = batches(print, wait_s=FOR_EVER_S)
    assert handler.batch(plan, LIMIT) is None
    assert handler.held == 2
    suspect_of(ring, feeder, index, 4)
    feeder.flush()
    assert handler.batch(plan, LIMIT) is None
    assert handler.held == 0
    feeder.settle()
    feeder.flush()
    assert serve(ring.handler(), batches(seen)) == 3
    assert sorted(seen) == [[2, 3], [4]]


def test_a_suspect_that_kills_makes_no_suspects_of_what_was_held_beside_it(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), Seen()
    index, plan = opened(feeder), batches(print, wait_s=FOR_EVER_S)
    place(feeder, index, 0, 1, 2)
    assert handler.batch(plan, LIMIT) is None
    suspect_of(ring, feeder, index, 3)
    feeder.flush()
    suspect = handler.batch(plan, LIMIT)
    assert suspect is not None
    assert (len(suspect), handler.held) == (1, 3)
    ring.overseer.bury(handler.seat, CRASH)
    (slot,), executing, _, _ = feeder.resolve(handler.seat)
    assert executing == 1, "nobody but the suspect is blamed"
    feeder.resolved(handler.seat)
    feeder.isolate(slot)
    feeder.flush()
    assert serve(ring.handler(), batches(seen)) == 4
    assert seen == [[3], [0, 1, 2]]


@pytest.mark.parametrize("order", ["key", "partition"])
def test_a_probe_is_one_message_of_a_run(ring: Rig, order: str) -> None:
    feeder, handler, seen = ring.feeder(order=order), ring.handler(), Seen()
    index, plan = opened(feeder), batches(seen, order=ORDER_NUMBERS[order])
    handler.limit_runs(8)
    place(feeder, index, *range(5), key=b"k")
    assert serve(handler, plan) == 1
    feeder.settle()
    ring.overseer.close_gate(GATE_FLOOD)
    ring.overseer.allow_probe(1)
    feeder.flush()
    assert serve(handler, plan) == 1
    ring.overseer.open_gate(GATE_FLOOD)
    feeder.settle()
    feeder.flush()
    assert serve(handler, plan) == 3
    assert seen == [[0], [1], [2, 3, 4]]


def resolve(message: Message, result: object, error: BaseException | None, stage: int) -> tuple[int, bytes]:
    return (RETRY if isinstance(error, MemoryError) else SKIP if error is None else DONE), b""


def test_one_that_there_is_no_memory_for_is_no_tombstone() -> None:
    ring = Rig(Geometry(1, 1, 16, 1 << 28, 4096))
    feeder, handler = ring.feeder(), ring.handler()
    assert feeder.place(opened(feeder), 0, b"x" * (200 << 20))
    feeder.flush()
    plan = CallPlan(print, bytes, resolve, 1, False, "orders")
    size_bytes, room_bytes = 1 << 30, 50 << 20
    batch = BatchPlan(plan, lambda *_: iter(()), messages=8, wait_s=0.0, size_bytes=size_bytes, attempts=12)

    def starve() -> None:
        with open("/proc/self/statm", "rb") as file:
            mapped_bytes = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped_bytes + room_bytes,) * 2)
        handler.serve_batch(batch, LIMIT)

    os.waitpid(forked(starve), 0)
    counters = ring.overseer.handler_counters(handler.seat)
    assert (counters["skip"], counters["retry"]) == (0, 1)
    ring.close()


def test_nothing_is_claimed_from_a_buried_feeder_while_gathering(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), Seen()
    index = opened(feeder)
    plan = batches(seen, messages=8, wait_s=3600, order=1)
    place(feeder, index, 0)
    assert handler.serve_batch(plan, LIMIT) == 0
    assert handler.held == 1
    place(feeder, index, *range(1, 20))
    ring.overseer.bury_feeder(0)
    handler.serve_batch(plan, LIMIT)
    assert (handler.held, seen) == (1, []), "claimed from the dead, and executed: all of it is read again"


def test_a_rest_of_a_quarter_second_is_no_pause_to_a_revocation(ring: Rig) -> None:
    feeder, a, b, seen = ring.feeder(), ring.handler(), ring.handler(), Seen()
    index = opened(feeder)
    place(feeder, index, 0, 1)
    assert a.serve_batch(batches(seen, wait_s=3600), LIMIT) == 0  # held: below what is begun next
    place(feeder, index, 2, 3)
    b.hold_after = 1
    for code in (DONE, RETRY):
        (claim,) = b.claim(1)
        b.finish(claim, code)
    feeder.settle()
    left = feeder.withdraw(index, 0, not feeder.paused)
    assert left == 3, "0 and 1 were taken back: a gap, 2 and 3 are done again by the next owner"
