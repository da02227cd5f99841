"""Batches: how they come together, what they never mix, and how each message gets its verdict."""

import select
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rig import RAW, Rig, opened, rig

from ringmain import clock
from ringmain._fastpath import BatchClaim, BatchPlan, CallPlan, FeederSide, HandlerSide, Message
from ringmain.rings import CRASH, GATE_FLOOD, GATE_STOP, SLEEP_ROOMY
from ringmain.verdict import DEAD, DONE, PAUSE, RETRY, RETURNED
from support.waiting import eventually

MESSAGE = 4
LIMIT = 1000


@pytest.fixture
def ring() -> Iterator[Rig]:
    with rig(slots=64, feeders=2) as made:
        yield made


def resolve(message: Message, result: object, error: BaseException | None, stage: int) -> tuple[int, bytes]:
    if isinstance(error, TimeoutError):
        return PAUSE, b""
    if isinstance(error, BlockingIOError):
        return RETRY, b""
    return DEAD, repr(error).encode()


def verdicts(batch: BatchClaim, result: Any, error: BaseException | None) -> Iterator[BatchClaim]:
    """A list of verdicts as the result; 0 in it = to be called alone."""
    if error is not None:
        result = [RETRY] * len(batch)
    for n, code in enumerate(result):
        if code:
            batch.finish(n, code, b"said so")
        else:
            yield batch.alone(n)


def batches(
    call: Callable[..., object],
    *,
    messages: int = 8,
    wait_s: float = 0.0,
    decode: Callable[[bytes], object] | None = None,
    wants: int = RAW,
    accepts_none: bool = True,
    **more: Any,
) -> BatchPlan:
    settings = {"size_bytes": 1 << 20, "attempts": 12, **more}
    plan = CallPlan(call, decode, resolve, wants, accepts_none, "orders")
    return BatchPlan(plan, verdicts, messages=messages, wait_s=wait_s, **settings)


def place(feeder: FeederSide, index: int, *offsets: int, key: bytes | None = None, attempt: int = 1) -> None:
    for offset in offsets:
        assert feeder.place(index, offset, b"%d" % offset, key=key, attempt=attempt)
    feeder.flush()


def serve(handler: HandlerSide, plan: BatchPlan, limit: int = LIMIT) -> int:
    executed = 0
    while served := handler.serve_batch(plan, limit):
        executed += served
    return executed


class Seen(list[list[int]]):
    """A handler that notes what it gets."""

    def __call__(self, values: list[bytes]) -> None:
        self.append([int(value) for value in values])


def test_a_backlog_is_called_in_full_batches_in_offset_order(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), Seen()
    place(feeder, opened(feeder), *range(20))
    assert serve(handler, batches(seen)) == 20
    assert seen == [[*range(8)], [*range(8, 16)], [*range(16, 20)]]
    feeder.settle()
    assert feeder.low_water(0) == 20
    assert feeder.room == 64
    counters = ring.overseer.handler_counters(handler.seat)
    assert (counters["calls"], counters["done"], sum(counters["histogram"])) == (20, 20, 20)


def test_what_is_too_little_waits_for_more_and_no_longer_than_its_time(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), Seen()
    index = opened(feeder)
    plan = batches(seen, wait_s=0.2)
    place(feeder, index, 0, 1)
    assert handler.serve_batch(plan, LIMIT) == 0
    assert (handler.held, seen) == (2, [])
    assert 0 < handler.held_for_s <= 0.2
    assert handler.prepare_sleep()
    place(feeder, index, 2)
    handler.awake()
    eventually(lambda: handler.serve_batch(plan, LIMIT) == 3, 5, "its time is over")
    assert seen == [[0, 1, 2]]
    assert (handler.held, handler.held_for_s) == (0, 0.0)


def test_a_full_batch_does_not_wait(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), Seen()
    place(feeder, opened(feeder), *range(9))
    assert handler.serve_batch(batches(seen, wait_s=3600), LIMIT) == 8
    assert handler.serve_batch(batches(seen, wait_s=3600), LIMIT) == 0


def test_a_batch_is_no_larger_than_its_bytes_but_for_one_message(ring: Rig) -> None:
    feeder, handler, sizes = ring.feeder(), ring.handler(), []
    index = opened(feeder)
    for offset, size in enumerate([40, 40, 40, 500, 10, 10]):
        assert feeder.place(index, offset, b"x" * size)
    feeder.flush()
    plan = batches(lambda values: sizes.append([len(value) for value in values]), size_bytes=100)
    while feeder.busy:  # what did not fit comes again with the feeder's next turn
        assert serve(handler, plan) > 0
        feeder.settle()
        feeder.flush()
    assert sorted(size for batch in sizes for size in batch) == [10, 10, 40, 40, 40, 500]
    assert all(sum(batch) <= 100 or len(batch) == 1 for batch in sizes)
    feeder.settle()
    assert feeder.low_water(index) == 6


def test_one_that_cannot_be_decoded_leaves_by_itself(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), []
    index = opened(feeder)
    for offset, value in enumerate([b"1", b"x", b"3", None]):
        assert feeder.place(index, offset, value)
    feeder.flush()
    plan = batches(seen.append, decode=int, wants=1, accepts_none=False)
    assert handler.serve_batch(plan, LIMIT) == 4
    assert seen == [[1, 3]]
    counters = ring.overseer.handler_counters(handler.seat)
    assert (counters["done"], counters["dead"], counters["calls"]) == (2, 2, 4)
    assert handler.executing == 0


def test_a_batch_of_nothing_but_bad_ones_is_never_called(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    index = opened(feeder)
    feeder.place(index, 0, b"x")
    feeder.flush()
    assert handler.serve_batch(batches(lambda values: 1 / 0, decode=int, wants=1), LIMIT) == 1
    assert ring.overseer.handler_counters(handler.seat)["dead"] == 1


def test_a_decoder_that_asks_for_a_pause_leaves_the_rest_to_its_feeder(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), []

    def decode(value: bytes) -> int:
        if value == b"1":
            raise TimeoutError
        return int(value)

    place(feeder, opened(feeder), *range(4))
    assert handler.serve_batch(batches(seen.append, decode=decode, wants=1), LIMIT) == 2
    assert seen == [[0]]
    feeder.settle()
    assert len(feeder.take_events()) == 1
    assert feeder.busy == 3


def test_messages_come_in_the_order_of_their_values(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), []
    place(feeder, opened(feeder), *range(5), key=b"k")

    def call(values: list[bytes], messages: list[Message]) -> None:
        assert [message.value for message in messages] == values
        seen.extend(message.offset for message in messages)

    assert serve(handler, batches(call, wants=RAW | MESSAGE)) == 5
    assert seen == [0, 1, 2, 3, 4]


def test_a_handler_that_empties_its_list_changes_nothing(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    place(feeder, opened(feeder), *range(5))

    def call(values: list[bytes]) -> list[int]:
        values.clear()
        return [DONE, DONE, RETRY, DONE, DEAD]

    assert serve(handler, batches(call)) == 5
    counters = ring.overseer.handler_counters(handler.seat)
    assert (counters["done"], counters["retry"], counters["dead"]) == (3, 1, 1)


def test_what_is_called_alone_is_finished_alone(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), []
    place(feeder, opened(feeder), *range(4))

    def call(values: list[bytes]) -> list[int] | None:
        seen.append(values)
        if len(values) > 1:
            return [DONE, 0, 0, DONE]
        return [DEAD] if values == [b"2"] else None

    assert serve(handler, batches(call)) == 4
    assert seen == [[b"0", b"1", b"2", b"3"], [b"1"], [b"2"]]
    counters = ring.overseer.handler_counters(handler.seat)
    assert (counters["done"], counters["dead"], counters["calls"]) == (3, 1, 4)
    assert handler.executing == 0


def test_fresh_and_retried_ones_never_share_a_call_and_retried_ones_share_ever_less(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), Seen()
    index = opened(feeder)
    place(feeder, index, 0, 1)
    place(feeder, index, *range(2, 22), attempt=2)
    place(feeder, index, 22, 23, attempt=4)
    place(feeder, index, 24)
    assert serve(handler, batches(seen, messages=64)) == 25
    assert seen == [[0, 1, 24], [*range(2, 10)], [*range(10, 18)], [18, 19, 20, 21], [22], [23]]


def test_the_last_attempt_is_made_alone_unless_it_is_the_first(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), Seen()
    index = opened(feeder)
    place(feeder, index, 0, 1, attempt=2)
    place(feeder, index, 2, 3)
    assert serve(handler, batches(seen, messages=64, attempts=2)) == 4
    assert seen == [[0], [1], [2, 3]]
    place(feeder, index, 4, 5)
    assert serve(handler, batches(seen, messages=64, attempts=1)) == 2
    assert seen[-1] == [4, 5]


def test_no_more_is_begun_than_the_limit_says(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), Seen()
    place(feeder, opened(feeder), *range(20))
    assert handler.serve_batch(batches(seen), 3) == 3
    assert seen == [[0, 1, 2]]


def test_what_is_held_at_the_end_is_called_and_nothing_joins_it(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), Seen()
    plan, index = batches(seen, wait_s=3600), opened(feeder)
    place(feeder, index, 0)
    handler.serve_batch(plan, LIMIT)
    place(feeder, index, 1)
    assert handler.serve_batch(plan, 0) == 1
    assert handler.serve_batch(plan, 0) == 0
    assert seen == [[0]]


@pytest.mark.parametrize("order", ["key", "partition"])
def test_a_run_of_a_key_is_in_one_batch_in_offset_order(ring: Rig, order: str) -> None:
    feeder, handler, seen = ring.feeder(order=order), ring.handler(), Seen()
    index = opened(feeder)
    handler.limit_runs(8)
    place(feeder, index, 0, key=b"k")
    place(feeder, index, *range(1, 30), key=b"k")
    plan = batches(seen, order=2 if order == "partition" else 1)
    for _ in range(10):
        serve(handler, plan)
        feeder.settle()
        feeder.flush()
    assert [offset for batch in seen for offset in batch] == [*range(30)]
    assert seen[0] == [0]
    assert {len(batch) for batch in seen[1:4]} == {8}
    assert feeder.low_water(index) == 30


def test_with_an_order_a_batch_is_of_one_partition(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(order="key"), ring.handler(), Seen()
    first, second = opened(feeder, 0), opened(feeder, 1)
    for offset in range(4):
        place(feeder, first, offset, key=b"%d" % offset)
        place(feeder, second, 10 + offset, key=b"%d" % offset)
    assert serve(handler, batches(seen, order=1)) == 8
    assert seen == [[0, 1, 2, 3], [10, 11, 12, 13]]


def test_without_an_order_a_batch_is_of_any_partition_and_feeder(ring: Rig) -> None:
    one, other, handler, seen = ring.feeder(0), ring.feeder(1), ring.handler(), Seen()
    place(one, opened(one, 0), 0, 1)
    place(other, opened(other, 1), 10, 11)
    assert serve(handler, batches(seen)) == 4
    assert [sorted(batch) for batch in seen] == [[0, 1, 10, 11]]


def test_with_an_order_partitions_of_several_feeders_are_called_one_after_the_other(ring: Rig) -> None:
    one, other, handler = ring.feeder(0, order="key"), ring.feeder(1, order="key"), ring.handler()
    seen, first, second = Seen(), opened(one, 0), opened(other, 1)
    plan = batches(seen, messages=4, order=1)
    for offset in range(5):
        place(one, first, offset, key=b"%d" % offset)
        place(other, second, 10 + offset, key=b"%d" % offset)
    assert serve(handler, plan) == 10
    assert sorted(seen) == [[0, 1, 2, 3], [4], [10, 11, 12, 13], [14]]


def test_what_is_held_can_be_returned(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), Seen()
    place(feeder, opened(feeder), 0, 1, 2)
    assert handler.serve_batch(batches(seen, wait_s=3600), LIMIT) == 0
    handler.return_held()
    assert (handler.held, handler.serve_batch(batches(seen), 0)) == (0, 0)
    feeder.settle()
    feeder.flush()
    assert serve(ring.handler(), batches(seen)) == 3


def test_with_order_partition_what_came_meanwhile_joins_at_the_end_of_the_wait(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(order="partition"), ring.handler(), Seen()
    index = opened(feeder)
    handler.limit_runs(8)
    plan = batches(seen, order=2, wait_s=0.05)
    place(feeder, index, 0)
    assert handler.serve_batch(plan, LIMIT) == 0
    place(feeder, index, 1, 2)
    feeder.settle()

    def called() -> bool:
        handler.serve_batch(plan, LIMIT)
        feeder.settle()
        feeder.flush()
        return bool(seen)

    eventually(called, 5, "the batch is called")
    assert seen == [[0, 1, 2]]
    assert feeder.low_water(index) == 3


def test_behind_one_that_waits_the_rest_of_its_key_is_not_called(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(order="key"), ring.handler(), []
    index = opened(feeder)
    handler.limit_runs(8)

    def decode(value: bytes) -> int:
        if value == b"1":
            raise BlockingIOError
        return int(value)

    place(feeder, index, 100, key=b"first")
    for offset in (101, 1000):
        feeder.place(index, offset, b"%d" % (offset % 100), key=b"k" if offset < 1000 else b"other")
    feeder.place(index, 1001, b"5", key=b"k")
    feeder.flush()
    serve(handler, batches(seen.append, decode=decode, wants=1, order=1))
    assert seen == [[100, 0]]
    feeder.settle()
    assert len(feeder.take_events()) == 1


def test_a_batch_that_dies_makes_suspects_of_those_in_the_call_and_of_nobody_else(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    index = opened(feeder)
    place(feeder, index, 0, 1, 2)
    place(feeder, index, 3, 4, attempt=2)
    batch = handler.batch(batches(print, messages=64), LIMIT)
    assert batch is not None
    assert (len(batch), handler.held, handler.executing) == (3, 2, 3)
    ring.overseer.bury(handler.seat, CRASH)
    slots, executing, _, _ = feeder.resolve(handler.seat)
    assert (len(slots), executing) == (3, 3)
    feeder.resolved(handler.seat)
    for slot in slots:
        feeder.isolate(slot)
    feeder.flush()
    seen: list[list[bytes]] = []
    assert serve(ring.handler(), batches(seen.append)) == 5
    assert seen == [[b"0"], [b"1"], [b"2"], [b"3"], [b"4"]]


def test_a_gatherer_that_dies_makes_no_suspects(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), Seen()
    place(feeder, opened(feeder), 0, 1)
    assert handler.serve_batch(batches(seen, wait_s=3600), LIMIT) == 0
    ring.overseer.bury(handler.seat, CRASH)
    slots, _, _, _ = feeder.resolve(handler.seat)
    assert slots == []
    feeder.resolved(handler.seat)
    assert serve(ring.handler(), batches(seen)) == 2


def test_a_suspect_goes_before_what_is_held_and_alone(ring: Rig) -> None:
    feeder, victim, handler, seen = ring.feeder(), ring.handler(), ring.handler(), Seen()
    index = opened(feeder)
    plan = batches(seen, wait_s=3600)
    place(feeder, index, 0)
    (claim,) = victim.claim(1)
    assert claim.attempt == 1
    place(feeder, index, 1, 2)
    assert handler.serve_batch(plan, LIMIT) == 0
    ring.overseer.bury(victim.seat, CRASH)
    (slot,), _, _, _ = feeder.resolve(victim.seat)
    feeder.resolved(victim.seat)
    feeder.isolate(slot)
    feeder.flush()
    assert handler.serve_batch(plan, LIMIT) == 1
    assert (seen, handler.held) == ([[0]], 2)
    assert handler.serve_batch(plan, 0) == 2


def test_a_partition_that_goes_away_takes_back_what_is_held(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), Seen()
    index = opened(feeder)
    plan = batches(seen, wait_s=3600)
    place(feeder, index, 0, 1)
    handler.serve_batch(plan, LIMIT)
    assert feeder.withdraw(index) == 0
    assert handler.serve_batch(plan, 0) == 0
    assert (seen, handler.executing) == ([], 0)


def test_a_partition_that_waits_for_what_is_held_makes_it_go_at_once(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), Seen()
    index = opened(feeder)
    plan = batches(seen, wait_s=3600)
    place(feeder, index, 0, 1)
    handler.serve_batch(plan, LIMIT)
    assert handler.prepare_sleep()
    assert feeder.withdraw(index, spare=True) == 2
    handler.awake()
    assert handler.serve_batch(plan, LIMIT) == 2
    feeder.settle()
    assert feeder.withdraw(index, spare=True) == 0


def test_a_feeder_without_room_makes_it_go_at_once(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), Seen()
    index = opened(feeder)
    plan = batches(seen, messages=64, wait_s=3600)
    place(feeder, index, *range(62))
    assert handler.serve_batch(plan, LIMIT) == 0
    assert handler.prepare_sleep()
    assert feeder.prepare_sleep(SLEEP_ROOMY)
    assert select.select([handler], [], [], 0)[0] == [handler]
    handler.awake()
    assert handler.serve_batch(plan, LIMIT) == 62


@pytest.mark.parametrize("gate", [GATE_STOP, GATE_FLOOD])
def test_a_gate_that_closes_lets_go_what_is_held_and_nothing_more(ring: Rig, gate: int) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), Seen()
    plan, index = batches(seen, wait_s=3600), opened(feeder)
    place(feeder, index, 0, 1)
    handler.serve_batch(plan, LIMIT)
    ring.overseer.close_gate(gate)
    place(feeder, index, 2)
    assert handler.prepare_sleep() is False
    assert serve(handler, plan) == 2
    assert seen == [[0, 1]]


def test_a_probe_is_a_batch_of_one(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), Seen()
    place(feeder, opened(feeder), *range(5))
    ring.overseer.close_gate(GATE_FLOOD)
    ring.overseer.allow_probe(1)
    assert serve(handler, batches(seen, wait_s=3600)) == 1
    assert seen == [[0]]


def test_what_is_held_behind_a_slow_call_is_taken_back(ring: Rig) -> None:
    feeder, handler, other, seen = ring.feeder(), ring.handler(), ring.handler(), Seen()
    index = opened(feeder)
    place(feeder, index, 0, 1)
    place(feeder, index, 2, 3, 4, attempt=12)

    def slow(values: list[bytes]) -> None:
        if len(values) == 2:
            eventually(lambda: feeder.take_back(1000) == 3, 5, "the rest is taken back")
            assert serve(other, batches(seen)) == 3

    assert serve(handler, batches(slow)) == 2
    assert seen == [[2], [3], [4]]


def test_verdicts_are_left_once(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    place(feeder, opened(feeder), 0, 1)
    batch = handler.batch(batches(print), LIMIT)
    assert batch is not None
    with pytest.raises(ValueError, match="no verdict 0"):
        batch.finish(0, 0)
    with pytest.raises(ValueError, match="message 2 is not of this batch"):
        batch.finish(2, DONE)
    batch.finish(0, DONE)
    with pytest.raises(ValueError, match="message 0 is not of this batch, or was finished before"):
        batch.finish(0, DONE)
    with pytest.raises(ValueError, match="message 0"):
        batch.alone(0)
    batch.done()
    assert feeder.settle() == 2
    assert ring.overseer.handler_counters(handler.seat)["done"] == 2


def test_what_is_returned_is_called_again_uncounted(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(order="key"), ring.handler(), Seen()
    index = opened(feeder)
    handler.limit_runs(8)
    place(feeder, index, 0, key=b"k")
    place(feeder, index, 1, 2, key=b"k")
    plan = batches(seen, order=1)
    handler.serve_batch(plan, LIMIT)
    feeder.settle()
    feeder.flush()
    batch = handler.batch(batches(print, order=1), LIMIT)
    assert batch is not None
    assert [batch.follows(n) for n in range(2)] == [False, True]
    batch.finish(0, DONE)
    batch.finish(1, RETURNED)
    feeder.settle()
    feeder.flush()
    assert serve(handler, plan) == 1
    assert seen == [[0], [2]]
    assert feeder.attempt_of(0) == 1


def test_a_pause_lets_go_what_is_held(ring: Rig) -> None:
    feeder, handler, seen = ring.feeder(), ring.handler(), Seen()
    plan = batches(seen, wait_s=3600)
    place(feeder, opened(feeder), 0)
    handler.serve_batch(plan, LIMIT)
    handler.pause(60)
    assert serve(handler, plan) == 1
    assert clock.monotonic_ns() < ring.overseer.paused_until_ns
