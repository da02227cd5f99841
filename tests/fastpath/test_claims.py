"""Who executes what: claims, verdicts, acks, runs of a key, what is taken back, who is blamed."""

import random
import select
from collections.abc import Iterator

import pytest
import rig as r
from rig import Rig, opened, plan_of, rig, serve_all

from ringmain import clock
from ringmain._fastpath import CallPlan, HandlerSide
from ringmain.rings import CRASH, GATE_FLOOD, GATE_OPERATOR, GATE_STOP, SLEEP_ROOMY, pack_headers
from ringmain.verdict import CHANNEL, DEAD, DONE, PAUSE, RETRY, RETURNED, SKIP
from support.seeds import seeds
from support.waiting import eventually


@pytest.fixture
def ring() -> Iterator[Rig]:
    with rig() as made:
        yield made


def test_each_message_is_executed_once_and_moves_the_low_water(ring: Rig) -> None:
    feeder, handlers, got = ring.feeder(), [ring.handler(), ring.handler()], []
    index = opened(feeder, position=100)
    offset = 100
    for _ in range(50):
        while feeder.place(index, offset, b"%d" % offset):
            offset += 3
        feeder.flush()
        for handler in handlers:
            serve_all(handler, lambda value: got.append(int(value or b"")))
        feeder.settle()
    assert got == list(range(100, offset, 3))
    assert feeder.low_water(index) == feeder.position(index) == offset - 2
    assert feeder.counters()["refused_acks"] == 0
    assert feeder.room == 16
    assert feeder.used_ratio == 0


@pytest.mark.parametrize("verdict", [RETRY, DEAD])
def test_after_so_many_failures_in_a_row_the_route_rests_for_a_look(ring: Rig, verdict: int) -> None:
    feeder, handlers = ring.feeder(), [ring.handler(), ring.handler()]
    index = opened(feeder)
    for offset in range(16):
        feeder.place(index, offset, b"x")
    feeder.flush()
    handlers[0].hold_after = 3
    for handler in (handlers[1], *[handlers[0]] * 3):
        assert handlers[1].paused_s == 0
        (claim,) = handler.claim(1)
        handler.finish(claim, verdict)
    assert 0 < handlers[1].paused_s <= 0.25
    assert handlers[1].claim(1) == []
    assert eventually(lambda: handlers[1].claim(1))


@pytest.mark.parametrize(("code", "counted"), [(RETRY, (0, 0, 1, 0, 0)), (DEAD, (0, 0, 0, 1, 0))])
def test_what_a_feeder_says_for_a_dead_handler_counts_as_its_verdict(
    ring: Rig, code: int, counted: tuple[int, ...]
) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    index = opened(feeder)
    feeder.place(index, 0, b"x")
    feeder.flush()
    assert handler.claim(1)
    ring.overseer.bury(handler.seat, CRASH)
    (slot,), _, _, _ = feeder.resolve(handler.seat)
    feeder.fail(slot, code, b"too long")
    feeder.resolved(handler.seat)
    assert ring.overseer.totals() == counted


def test_failures_between_successes_hold_nobody_back(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    index = opened(feeder)
    handler.hold_after = 2
    verdicts = [DEAD, DONE, RETRY, SKIP, DEAD, CHANNEL, DEAD, DONE]
    for offset in range(8):
        feeder.place(index, offset, b"x")
    feeder.flush()
    executed = 0
    while executed < 8:
        executed += serve_all(handler, lambda value: verdicts.pop(0))
        assert handler.paused_s == 0


def test_a_message_keeps_all_its_parts(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    index = opened(feeder, partition=7)
    headers = [("a", b"1"), ("a", None), ("é", b"")]
    feeder.place(index, 5, None, key=b"", headers=pack_headers(headers), timestamp_ms=9, attempt=3)
    feeder.flush()
    (claim,) = handler.claim(5)
    message = claim.message("orders", "late")
    assert (message.value, message.key, message.headers) == (None, b"", headers)
    assert (message.topic, message.partition, message.offset) == ("t", 7, 5)
    assert (message.timestamp_ms, message.attempt) == (9, 3)
    assert (message.route, message.channel) == ("orders", "late")
    assert message.id == "t:7:5"


def test_a_claim_is_finished_once_and_not_read_after(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    index = opened(feeder)
    feeder.place(index, 0, b"x")
    feeder.flush()
    (claim,) = handler.claim(1)
    with pytest.raises(ValueError, match="no verdict 0"):
        handler.finish(claim, 0)
    handler.finish(claim, DONE)
    with pytest.raises(ValueError, match="finished before"):
        handler.finish(claim, DONE)
    with pytest.raises(ValueError, match="before its claim is finished"):
        claim.message("r")
    assert feeder.settle() == 1


def test_what_cannot_be_placed_is_refused_and_leaves_no_trace(ring: Rig) -> None:
    feeder = ring.feeder()
    index = opened(feeder, position=10)
    with pytest.raises(OverflowError):
        feeder.place(index, 10, b"x" * (1 << 16) + b"y")
    with pytest.raises(OverflowError):
        feeder.place(index, 10, b"", meta=b"m" * 65536)
    with pytest.raises(ValueError, match="taken before"):
        feeder.place(index, 9, b"")
    with pytest.raises(ValueError, match="not open"):
        feeder.place(feeder.partition_index("t", 1), 0, b"")
    with pytest.raises(TypeError):
        feeder.place(index, 10, "text")  # type: ignore[arg-type]
    assert feeder.busy == 0
    assert feeder.used_ratio == 0


@pytest.mark.parametrize("seed", seeds(3))
def test_garbage_in_an_ack_ring_settles_nothing(ring: Rig, seed: int) -> None:
    print("seed", seed)
    chance = random.Random(seed)
    feeder, handler = ring.feeder(), ring.handler()
    for _ in range(3):
        ring.handler()  # a feeder looks only where somebody ever sat
    courier = ring.courier()
    feeder.greet_courier()
    index = opened(feeder)
    for offset in range(8):
        feeder.place(index, offset, b"%d" % offset)
    feeder.flush()
    claims = handler.claim(4)
    handler.finish(claims[0], DEAD)
    feeder.settle()
    before = ring.slots()
    for _ in range(2000):
        slot = chance.randrange(20) if chance.random() < 0.8 else chance.randrange(1 << 24)
        known = before[slot].seq if slot < 16 and chance.random() < 0.7 else chance.randrange(1 << 40)
        ring.forge_ack(chance.choice([1, 2, 3]), known << 24 | slot)
        feeder.settle()
    assert ring.slots() == before
    assert feeder.counters()["refused_acks"] == 2000
    assert feeder.low_water(index) == 0
    feeder.flush()
    courier.ack(courier.take(9))
    for claim in claims[1:]:
        handler.finish(claim, DONE)
    serve_all(handler, lambda value: None)
    feeder.settle()
    assert feeder.low_water(index) == 8


def test_an_ack_tail_gone_wild_does_not_hang_the_feeder(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    ring.handler()
    opened(feeder)
    for tail in (2**63, 2**64 - 1, 5, 10**18):
        ring.forge_ack_tail(handler.seat + 1, tail)
        assert feeder.settle() <= 16


def test_garbage_in_the_ready_ring_is_not_executed(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    index = opened(feeder)
    for offset in range(3):
        feeder.place(index, offset, b"%d" % offset)
    ring.forge_ready(0, 99 << 24 | 5)
    ring.forge_ready(1, 1 << 24 | 0xFFFFFF)
    feeder.flush()
    assert serve_all(handler, lambda value: None) == 1


def test_the_ack_of_an_earlier_publication_is_refused(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    index = opened(feeder)
    feeder.place(index, 0, b"a")
    feeder.flush()
    stale = next(n for n, slot in enumerate(ring.slots()) if slot.state == r.READY)
    seq = ring.slots()[stale].seq
    serve_all(handler, lambda value: None)
    feeder.settle()
    feeder.place(index, 1, b"b")
    feeder.flush()
    (claim,) = handler.claim(1)
    ring.forge_ack(handler.seat, seq << 24 | stale)
    feeder.settle()
    assert feeder.low_water(index) == 1
    assert feeder.counters()["refused_acks"] == 1
    assert claim.message("r").offset == 1


# -- order -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("run_limit", [1, 3, 64])
def test_a_key_is_executed_in_order_and_by_one_handler_at_a_time(ring: Rig, run_limit: int) -> None:
    feeder, handlers, got = (
        ring.feeder(order="key", run_limit=run_limit),
        [ring.handler(), ring.handler()],
        [],
    )
    index = opened(feeder)
    offset = 0
    for turn in range(200):
        while feeder.place(index, offset, b"%d" % offset, key=b"k%d" % (offset % 3)):
            offset += 1
        feeder.flush()
        handlers[turn % 2].serve(plan_of(lambda value: got.append(int(value or b""))))
        feeder.settle()
    for key in range(3):
        of_key = [done for done in got if done % 3 == key]
        assert of_key == sorted(of_key)
    assert len(set(got)) == len(got) > 500


def test_order_partition_holds_back_a_partition_and_no_other(ring: Rig) -> None:
    feeder, handler = ring.feeder(order="partition"), ring.handler()
    first, second = opened(feeder, 0), opened(feeder, 1)
    for offset in range(2):
        feeder.place(first, offset, b"first")
        feeder.place(second, offset, b"second")
    feeder.flush()
    claims = handler.claim(4)
    assert sorted(claim.message("r").partition for claim in claims) == [0, 1]
    handler.finish(claims[0], DONE)
    feeder.settle()
    feeder.flush()
    (third,) = handler.claim(4)
    assert (third.message("r").partition, third.message("r").offset) == (0, 1)


def test_a_retry_in_place_holds_back_the_rest_of_its_run(ring: Rig) -> None:
    feeder, handler, got = ring.feeder(order="key", run_limit=64), ring.handler(), []

    def call(value: bytes | None) -> object:
        got.append(value)
        return RETRY if value == b"1" and got.count(b"1") == 1 else None

    index = opened(feeder)
    for offset in range(6):
        feeder.place(index, offset, b"%d" % offset, key=b"k")
    feeder.flush()
    serve_all(handler, call)
    for _ in range(3):
        feeder.settle()
        feeder.flush()
        serve_all(handler, call)
    assert got == [b"0", b"1"]
    ((slot, verdict, attempt, detail),) = feeder.take_events()
    assert (verdict, attempt, detail) == (RETRY, 1, b"said so")
    assert feeder.low_water(index) == 1
    assert feeder.resume(slot, feeder.token(slot))
    assert not feeder.resume(slot, feeder.token(slot))
    feeder.flush()
    while feeder.low_water(index) < 6:
        assert serve_all(handler, call)
        feeder.settle()
        feeder.flush()
    assert got == [b"0", b"1", b"1", b"2", b"3", b"4", b"5"]


def test_a_pause_returns_what_was_claimed_behind_it_uncounted(ring: Rig) -> None:
    feeder, handler, got = ring.feeder(), ring.handler(), []

    def call(value: bytes | None) -> object:
        got.append(value)
        if got == [b"0"]:
            handler.pause(0.02)
            return PAUSE
        return None

    index = opened(feeder)
    for offset in range(4):
        feeder.place(index, offset, b"%d" % offset)
    feeder.flush()
    assert handler.serve(plan_of(call)) == 1
    assert handler.serve(plan_of(call)) == 0
    assert handler.prepare_sleep()
    handler.awake()
    assert feeder.settle() == 4
    ((slot, verdict, attempt, _),) = feeder.take_events()
    assert verdict == PAUSE
    assert feeder.resume(slot, feeder.token(slot), counted=False)
    feeder.flush()
    deadline = clock.monotonic_s() + 5
    while len(got) < 5:
        serve_all(handler, call)
        assert clock.monotonic_s() < deadline
    assert sorted(filter(None, got)) == [b"0", b"0", b"1", b"2", b"3"]
    assert attempt == feeder.attempt_of(slot) == 1


def test_a_returned_message_is_published_again_as_it_was(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    index = opened(feeder)
    feeder.place(index, 0, b"x", attempt=2)
    feeder.flush()
    (claim,) = handler.claim(1)
    handler.finish(claim, RETURNED)
    feeder.settle()
    feeder.flush()
    (claim,) = handler.claim(1)
    assert claim.attempt == 2


# -- slow and dead -----------------------------------------------------------------------------------------
def test_a_run_of_slow_calls_lets_other_keys_in_between_and_goes_on_alone_when_none_waits(ring: Rig) -> None:
    feeder, handler, got = ring.feeder(order="key", run_limit=64), ring.handler(), list[int]()
    index = opened(feeder)
    for offset in range(12):
        feeder.place(index, offset, b"%d" % offset, key=b"hot" if offset < 9 else b"other")
    feeder.flush()

    def slow(value: bytes | None) -> None:
        got.append(int(value or b""))
        end_s = clock.monotonic_s() + 0.011
        while clock.monotonic_s() < end_s:
            pass

    rounds = []
    while executed := serve_all(handler, slow):
        rounds.append(executed)
        feeder.settle()
        feeder.flush()
    assert got[:2] == [0, 9], "the heads"
    assert got[2:5] == [1, 10, 11], (
        "11 ms of the hot key, then the other one's: what came back is not ready yet"
    )
    assert got[5:] == [2, 3, 4, 5, 6, 7, 8]
    assert rounds == [2, 3, 7], "77 ms in one go: nobody waited"
    assert feeder.low_water(index) == 12


def test_what_waits_behind_a_slow_call_goes_to_another_handler(ring: Rig) -> None:
    feeder, slow, other = ring.feeder(), ring.handler(), ring.handler()
    index, done = opened(feeder), []

    def stuck(value: bytes | None) -> None:
        done.append(value)
        if value == b"0":
            assert feeder.take_back(0) == 3
            serve_all(other, done.append)

    for offset in range(4):
        feeder.place(index, offset, b"%d" % offset)
    feeder.flush()
    serve_all(slow, stuck)
    feeder.settle()
    assert sorted(filter(None, done)) == [b"0", b"1", b"2", b"3"]
    assert feeder.low_water(index) == 4
    assert feeder.counters()["taken_back"] == 3
    assert feeder.counters()["refused_acks"] == 0


def test_a_run_behind_a_slow_call_is_taken_back_in_one_piece(ring: Rig) -> None:
    feeder, slow, other = ring.feeder(order="key", run_limit=64), ring.handler(), ring.handler()
    index, done = opened(feeder), []

    def stuck(value: bytes | None) -> None:
        done.append(value)
        if value == b"0":
            feeder.take_back(0)
            for _ in range(5):
                serve_all(other, done.append)
                feeder.settle()
                feeder.flush()

    feeder.place(index, 0, b"0", key=b"slow")
    for offset in range(1, 8):
        feeder.place(index, offset, b"%d" % offset, key=b"k")
    feeder.flush()
    serve_all(slow, stuck)
    feeder.settle()
    assert done == [b"%d" % n for n in range(8)]
    assert feeder.low_water(index) == 8


def test_the_message_that_killed_its_handler_is_blamed_and_the_others_are_not(ring: Rig) -> None:
    feeder, dying = ring.feeder(), ring.handler()
    index = opened(feeder)
    for offset in range(3):
        feeder.place(index, offset, b"%d" % offset)
    feeder.flush()

    class Killed(BaseException):
        pass

    with pytest.raises(Killed):  # `resolve` is not the user's: its error ends the process as a signal would
        _ends_in(dying, Killed())
    ring.overseer.bury(dying.seat, CRASH, b"signal 11")
    assert feeder.dead_seats() == [dying.seat]
    executing, everywhere, cause, detail = feeder.resolve(dying.seat)
    assert (len(executing), everywhere, cause, detail) == (1, 1, CRASH, b"signal 11")
    assert feeder.blame(executing[0]) == 1
    feeder.isolate(executing[0])
    assert ring.overseer.free_seat() != dying.seat
    feeder.resolved(dying.seat)
    assert feeder.dead_seats() == []
    assert ring.overseer.free_seat() == dying.seat
    done: list[bytes | None] = []
    serve_all(ring.handler(), done.append)
    feeder.settle()
    assert sorted(filter(None, done)) == [b"0", b"1", b"2"]
    assert feeder.low_water(index) == 3


def _ends_in(handler: HandlerSide, death: BaseException) -> None:
    def resolve(*_: object) -> tuple[int, bytes]:
        raise death

    handler.serve(CallPlan(lambda value: 1, None, resolve, 2, True))


def test_suspects_run_alone_and_nothing_else_beside_them(ring: Rig) -> None:
    feeder, dying, other = ring.feeder(), ring.handler(), ring.handler()
    index = opened(feeder)
    for offset in range(3):
        feeder.place(index, offset, b"%d" % offset)
    feeder.flush()
    dying_claims = dying.claim(3)
    assert len(dying_claims) == 3
    ring.overseer.bury(dying.seat, CRASH)
    executing, everywhere, _, _ = feeder.resolve(dying.seat)
    assert len(executing) == everywhere == 3
    for slot in executing:
        feeder.isolate(slot)
    feeder.resolved(dying.seat)
    feeder.place(index, 3, b"3")
    feeder.flush()
    for _ in range(3):
        (claim,) = other.claim(8)
        assert claim.suspect
        assert other.claim(8) == []
        assert other.prepare_sleep()  # nothing for it until the suspect is done
        other.finish(claim, DONE)
    (claim,) = other.claim(8)
    assert not claim.suspect
    feeder.settle()
    assert feeder.low_water(index) == 3


def test_a_suspect_that_another_handlers_look_around_missed_is_still_found(ring: Rig) -> None:
    feeder, first, second = ring.feeder(), ring.handler(), ring.handler()
    index = opened(feeder)
    for round_no in range(5):
        feeder.place(index, round_no, b"x")
        feeder.flush()
        dying = ring.handler()
        dying.claim(1)
        ring.overseer.bury(dying.seat, CRASH)
        for slot in feeder.resolve(dying.seat)[0]:
            feeder.isolate(slot)
        feeder.resolved(dying.seat)
        (claim,) = (first, second)[round_no % 2].claim(1)
        assert claim.suspect
        (first, second)[round_no % 2].finish(claim, DONE)
        feeder.settle()
    assert feeder.low_water(index) == 5


def test_a_withdrawn_suspect_leaves_no_spinning_handler(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    index = opened(feeder)
    feeder.place(index, 0, b"x")
    feeder.flush()
    dying = ring.handler()
    dying.claim(1)
    ring.overseer.bury(dying.seat, CRASH)
    feeder.isolate(feeder.resolve(dying.seat)[0][0])
    feeder.resolved(dying.seat)
    assert feeder.withdraw(index) == 0
    assert handler.claim(1) == []
    assert handler.prepare_sleep()


def test_an_old_claims_record_takes_no_entry_of_a_later_round(ring: Rig) -> None:
    """The record of a dead handler points at cells that the ring has since used again."""
    feeder, dying, other = ring.feeder(), ring.handler(), ring.handler()
    index = opened(feeder)
    feeder.place(index, 0, b"")
    feeder.place(index, 1, b"")
    feeder.flush()

    def meanwhile(value: bytes | None) -> object:
        for offset in range(2, 14):
            feeder.place(index, offset, b"")
        feeder.take_back(0)
        feeder.flush()
        serve_all(other, lambda value: None)
        feeder.settle()
        for offset in range(14, 29):
            assert feeder.place(index, offset, b"%d" % offset)
        feeder.flush()
        return 0

    with pytest.raises(ValueError, match="no verdict 0"):
        dying.serve(plan_of(meanwhile))
    ring.overseer.bury(dying.seat, CRASH)
    executing = feeder.resolve(dying.seat)[0]
    assert len(executing) == 1
    assert feeder.unclaimed == 15
    feeder.isolate(executing[0])
    feeder.resolved(dying.seat)
    assert serve_all(other, lambda value: None) == 16
    feeder.settle()
    assert feeder.low_water(index) == 29


# -- gates and sleep ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("gate", [GATE_STOP, GATE_OPERATOR])
def test_a_closed_gate_lets_nothing_through_and_wakes_sleepers_when_it_opens(ring: Rig, gate: int) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    index = opened(feeder)
    ring.overseer.close_gate(gate)
    feeder.place(index, 0, b"x")
    feeder.flush()
    assert serve_all(handler, lambda value: None) == 0
    assert handler.prepare_sleep()
    ring.overseer.open_gate(gate)
    assert _rung(handler.fileno())
    handler.awake()
    assert serve_all(handler, lambda value: None) == 1


def test_a_stop_still_lets_through_what_came_back_from_a_slow_call(ring: Rig) -> None:
    feeder, slow, other = ring.feeder(), ring.handler(), ring.handler()
    index, done = opened(feeder), []

    def stuck(value: bytes | None) -> None:
        done.append(value)
        if value == b"0":
            assert feeder.take_back(0) == 3
            feeder.place(index, 4, b"4")
            feeder.flush()
            ring.overseer.close_gate(GATE_STOP)

    for offset in range(4):
        feeder.place(index, offset, b"%d" % offset)
    feeder.flush()
    assert slow.serve(plan_of(stuck)) == 1
    serve_all(other, done.append)
    feeder.settle()
    assert sorted(filter(None, done)) == [b"0", b"1", b"2", b"3"]
    assert feeder.low_water(index) == 4


def test_at_a_stop_a_slow_call_keeps_its_claim_for_no_other_may_be_there_any_more(ring: Rig) -> None:
    feeder, slow = ring.feeder(), ring.handler()
    index, done = opened(feeder), []

    def stuck(value: bytes | None) -> None:
        done.append(value)
        if value == b"0":
            ring.overseer.close_gate(GATE_STOP)
            assert feeder.take_back(0) == 0

    for offset in range(4):
        feeder.place(index, offset, b"%d" % offset)
    feeder.flush()
    assert slow.serve(plan_of(stuck)) == 4
    feeder.settle()
    assert feeder.low_water(index) == 4


def test_a_probe_is_used_by_one_message_and_never_lost(ring: Rig) -> None:
    feeder, handler = ring.feeder(order="key", run_limit=64), ring.handler()
    index = opened(feeder)
    ring.overseer.close_gate(GATE_FLOOD)
    ring.overseer.allow_probe(1)
    assert serve_all(handler, lambda value: None) == 0  # nothing there: the probe is still to be made
    assert handler.prepare_sleep()
    for offset in range(3):
        feeder.place(index, offset, b"x", key=b"k")
    feeder.flush()
    assert _rung(handler.fileno())
    handler.awake()
    assert serve_all(handler, lambda value: None) == 1  # of the run, its leader only
    feeder.settle()
    feeder.flush()
    assert handler.prepare_sleep()
    ring.overseer.allow_probe(1)
    assert _rung(handler.fileno())
    handler.awake()
    assert serve_all(handler, lambda value: None) == 1
    ring.overseer.allow_probe(1)
    assert not handler.prepare_sleep() or feeder.unclaimed == 0
    ring.overseer.open_gate(GATE_FLOOD)
    feeder.settle()
    feeder.flush()
    serve_all(handler, lambda value: None)
    feeder.settle()
    assert feeder.low_water(index) == 3


def test_sleepers_are_woken_one_by_one_while_work_remains(ring: Rig) -> None:
    feeder, handlers = ring.feeder(), [ring.handler(), ring.handler(), ring.handler()]
    index = opened(feeder)
    assert all(handler.prepare_sleep() for handler in handlers)
    for offset in range(9):
        feeder.place(index, offset, b"x")
    feeder.flush()
    assert [_rung(handler.fileno()) for handler in handlers] == [True, False, False]
    handlers[0].awake()
    handlers[0].claim(2)
    assert [_rung(handler.fileno()) for handler in handlers] == [False, True, False]


def test_a_wake_spent_on_a_handler_that_died_is_passed_on(ring: Rig) -> None:
    feeder, handlers = ring.feeder(), [ring.handler(), ring.handler()]
    index = opened(feeder)
    assert all(handler.prepare_sleep() for handler in handlers)
    feeder.place(index, 0, b"x")
    feeder.flush()
    assert not _rung(handlers[1].fileno())
    ring.overseer.bury(handlers[0].seat, CRASH)
    assert _rung(handlers[1].fileno())


def test_a_call_does_not_pay_for_slow_ones_before_it_in_its_run_though_calls_were_quick_so_far() -> None:
    with rig(slots=64) as ring:
        feeder, handler, quick, ages_s = (
            ring.feeder(order="partition", run_limit=64),
            ring.handler(),
            True,
            [],
        )
        index = opened(feeder)

        def call(value: bytes | None) -> None:
            if not quick:
                began_s = clock.monotonic_s()
                ages_s.append(began_s - ring.overseer.handler(handler.seat)[4] / 1e9)
                while clock.monotonic_s() < began_s + 0.03:
                    pass

        for offset in range(800):
            quick = offset < 790
            assert feeder.place(index, offset, b"")
            if offset % 16 == 15 or offset == 799:
                feeder.flush()
                serve_all(handler, call)
                feeder.settle()
        assert len(ages_s) == 16
        assert max(ages_s) < 0.03


def test_a_feeder_that_lacks_blocks_and_not_slots_sleeps_until_any_ack() -> None:
    with rig(slots=64, arena_bytes=1 << 14) as ring:
        feeder, handler = ring.feeder(), ring.handler()
        index, offset = opened(feeder), 0
        while feeder.place(index, offset, bytes(1 << 12)):
            offset += 1
        feeder.flush()
        assert feeder.room > 32
        assert not feeder.roomy
        assert feeder.prepare_sleep(SLEEP_ROOMY)
        assert serve_all(handler, lambda value: None) == offset
        handler.flush()
        assert _rung(feeder.fileno())
        feeder.awake()
        assert not feeder.prepare_sleep(SLEEP_ROOMY)
        feeder.settle()
        assert feeder.roomy


def test_many_handlers_together_wake_a_full_feeder_though_none_of_them_settled_much() -> None:
    pool, slots = 8, 256
    with rig(handlers=pool, slots=slots) as ring:
        feeder = ring.feeder()
        index, offset = opened(feeder), 0
        while feeder.place(index, offset, b"x"):
            offset += 1
        assert offset == slots
        assert feeder.prepare_sleep(SLEEP_ROOMY)
        handlers = [ring.handler() for _ in range(pool)]
        for _ in range(slots // 8 // pool):
            assert not _rung(feeder.fileno())
            for handler in handlers:
                (claim,) = handler.claim(1)
                handler.finish(claim, DONE)
        assert _rung(feeder.fileno())


def test_a_sleeping_feeder_is_woken_by_acks_deaths_and_couriers(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    index = opened(feeder)
    feeder.place(index, 0, b"x")
    feeder.flush()
    assert feeder.prepare_sleep()
    serve_all(handler, lambda value: CHANNEL)
    assert _rung(feeder.fileno())
    feeder.awake()
    assert not feeder.prepare_sleep()  # the ack is still to be taken in
    feeder.settle()
    courier = ring.courier()
    assert _rung(feeder.fileno())
    feeder.awake()
    feeder.greet_courier()
    parcels = courier.take(9)
    assert feeder.prepare_sleep()
    courier.ack(parcels)
    assert _rung(feeder.fileno())
    feeder.awake()
    feeder.settle()
    assert feeder.prepare_sleep()
    ring.overseer.bury(handler.seat, CRASH)
    assert _rung(feeder.fileno())


def _rung(fileno: int) -> bool:
    return bool(select.select([fileno], [], [], 0)[0])


@pytest.mark.parametrize("rounds", [0, 5])
def test_what_a_dead_handler_took_and_never_marked_is_found_however_often_the_ring_came_round(
    ring: Rig, rounds: int
) -> None:
    feeder, dead, alive = ring.feeder(), ring.handler(), ring.handler()
    index = opened(feeder)
    for offset in range(4):
        feeder.place(index, offset, b"%d" % offset)
    feeder.flush()
    ring.forge_claim(dead.seat, 2)
    done: list[bytes | None] = []
    for _ in range(rounds):
        for _ in range(8):
            feeder.place(index, feeder.position(index), b"later")
        feeder.flush()
        serve_all(alive, done.append)
        feeder.settle()
    ring.overseer.bury(dead.seat, CRASH)
    feeder.resolve(dead.seat)
    feeder.resolved(dead.seat)
    feeder.flush()
    serve_all(alive, done.append)
    feeder.settle()
    assert sorted(value for value in done if value != b"later") == [b"0", b"1", b"2", b"3"]
    assert (feeder.busy, feeder.low_water(index)) == (0, feeder.position(index))
