"""What a feeder keeps of its own: the arena, the window of offsets, epochs, deliveries by tag."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rig import opened, plan_of, rig, serve_all

from ringmain.rings import CRASH
from ringmain.verdict import DONE, RETRY

_BLOCK = 64


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 70), st.integers(0, 2)), min_size=1, max_size=80))
def test_the_arena_gives_a_run_whenever_there_is_one_and_never_the_same_block_twice(
    steps: list[tuple[int, int]],
) -> None:
    """A naive map of blocks, read from the slots, says whether a message of so many blocks fits."""
    with rig(slots=64, arena_bytes=_BLOCK * 256) as ring:
        feeder, handler, held = ring.feeder(), ring.handler(), []
        index = opened(feeder)
        for offset, (blocks, settled) in enumerate(steps):
            used = [False] * 256
            for slot in ring.slots():
                if slot.state:
                    for block in range(slot.block, slot.block + max(1, -(-slot.value_bytes // _BLOCK))):
                        assert not used[block]
                        used[block] = True
            fits = "0" * blocks in "".join("1" if taken else "0" for taken in used)
            value = bytes([offset]) * (blocks * _BLOCK - offset % _BLOCK)
            had_room = feeder.room > 0
            assert feeder.place(index, feeder.position(index), value) == (fits and had_room)
            feeder.flush()
            held += handler.claim(64)
            for claim in held:
                assert len(set(claim.message("r").value or b"x")) == 1
            for _ in range(min(settled, len(held))):
                handler.finish(held.pop(blocks % len(held)), DONE)
            feeder.settle()
        for claim in held:
            handler.finish(claim, DONE)
        feeder.settle()
        assert feeder.used_ratio == 0


_window_steps = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.sampled_from([0, 0, 0, 1, 5, 63, 64, 700, 5000])),
        st.tuples(st.just("settle"), st.integers(0, 30)),
        st.tuples(st.just("reopen"), st.integers(0, 5)),
    ),
    max_size=120,
)


@settings(max_examples=80, deadline=None)
@given(_window_steps, st.sampled_from([1, 70, 1024, 3000]))
def test_the_low_water_is_the_first_unsettled_offset_whatever_the_gaps(
    steps: list[tuple[str, int]], limit: int
) -> None:
    with rig(slots=32) as ring:
        feeder, handler = ring.feeder(commit_window=limit), ring.handler()
        index = opened(feeder, position=50)
        position, unsettled, held = 50, set[int](), []
        for what, n in steps:
            if what == "take":
                offset = position + n
                room = not unsettled or offset - min(unsettled) < limit
                had_room = feeder.room > 0
                assert feeder.place(index, offset, b"") == (room and had_room)
                if feeder.position(index) == offset + 1:
                    assert room
                    position = offset + 1
                    unsettled.add(offset)
                    feeder.flush()
                    held += handler.claim(1)
            elif what == "settle" and held:
                claim = held.pop(n % len(held))
                unsettled.discard(claim.message("r").offset)
                handler.finish(claim, DONE)
                feeder.settle()
            elif what == "reopen":
                feeder.close_partition(index)
                feeder.open_partition(index, position)
                unsettled.clear()
            assert feeder.low_water(index) == min(unsettled, default=position)
            assert feeder.position(index) == position
            assert feeder.window_full(index) == (bool(unsettled) and position - min(unsettled) >= limit)


def test_a_partition_whose_beginning_nobody_knows_begins_at_its_first_message() -> None:
    with rig() as ring:
        feeder, handler = ring.feeder(), ring.handler()
        index = opened(feeder, position=-1)
        assert feeder.position(index) == -1
        assert feeder.place(index, 1000, b"")
        assert feeder.low_water(index) == 1000
        feeder.flush()
        serve_all(handler, lambda value: None)
        feeder.settle()
        assert feeder.low_water(index) == 1001


def test_a_late_verdict_frees_its_slot_and_moves_no_offset() -> None:
    with rig() as ring:
        feeder, handler = ring.feeder(), ring.handler()
        index = opened(feeder)
        feeder.place(index, 0, b"")
        feeder.flush()
        (claim,) = handler.claim(1)
        assert feeder.executing_seats(index) == {handler.seat}
        assert feeder.withdraw(index) == 1
        assert feeder.close_partition(index) == (0, 1)
        feeder.open_partition(index, 0)
        feeder.place(index, 0, b"")
        handler.finish(claim, DONE)
        feeder.settle()
        assert feeder.low_water(index) == 0
        assert feeder.counters()["late"] == 1
        assert feeder.busy == 1


@pytest.mark.parametrize("order", ["none", "key", "partition"])
@pytest.mark.parametrize("decision", ["again", "isolate"])
def test_what_a_dead_handler_had_of_a_partition_that_goes_away_is_begun_by_nobody(
    order: str, decision: str
) -> None:
    with rig() as ring:
        feeder, dying, other = ring.feeder(order=order), ring.handler(), ring.handler()
        index = opened(feeder)
        for offset in range(3):
            feeder.place(index, offset, b"", key=b"k")
        feeder.flush()
        assert dying.claim(1)
        assert feeder.withdraw(index) == 1
        ring.overseer.bury(dying.seat, CRASH)
        (slot,) = feeder.resolve(dying.seat)[0]
        getattr(feeder, decision)(slot)
        feeder.resolved(dying.seat)
        feeder.flush()
        assert other.claim(3) == []
        assert other.prepare_sleep()
        assert feeder.withdraw(index) == 0
        assert feeder.busy == 0
        feeder.open_partition(index, 0)
        feeder.place(index, 0, b"", key=b"k")
        feeder.flush()
        assert len(other.claim(1)) == 1


@pytest.mark.parametrize("order", ["none", "key"])
def test_what_was_not_begun_when_the_log_went_back_leaves_with_its_partition(order: str) -> None:
    with rig() as ring:
        feeder, handler = ring.feeder(order=order), ring.handler()
        index = feeder.partition_index("t", 0)
        feeder.open_partition(index, 100)
        for offset in range(6):
            feeder.place(index, 100 + offset, b"", key=b"k%d" % (offset % 3))
        feeder.flush()
        feeder.open_partition(index, 0)  # as at the first offset of a topic that was made anew
        assert feeder.withdraw(index) == 0
        assert feeder.busy == 0
        feeder.close_partition(index)
        feeder.open_partition(index, 0)
        for offset in range(6):
            feeder.place(index, offset, b"", key=b"k%d" % (offset % 3))
        while feeder.busy:
            feeder.flush()
            assert serve_all(handler, lambda value: None)
            feeder.settle()
        assert feeder.low_water(index) == 6


def test_a_late_retry_waits_for_nobody() -> None:
    with rig() as ring:
        feeder, handler = ring.feeder(order="key"), ring.handler()
        index = opened(feeder)
        for offset in range(2):
            feeder.place(index, offset, b"", key=b"k")
        feeder.flush()
        (claim,) = handler.claim(2)
        handler.finish(claim, RETRY)
        feeder.settle()
        ((slot, *_),) = feeder.take_events()
        token = feeder.token(slot)
        assert feeder.close_partition(index) == (0, 0)
        assert not feeder.resume(slot, token)
        assert feeder.busy == 0


def test_withdrawing_a_partition_leaves_the_others_in_the_ring() -> None:
    with rig() as ring:
        feeder, handler = ring.feeder(order="key", run_limit=8), ring.handler()
        got: list[bytes | None] = []
        first, second = opened(feeder, 0), opened(feeder, 1)
        for turn in range(40):
            for offset in range(4):
                feeder.place(first, turn * 4 + offset, b"first", key=b"k%d" % (offset % 2))
                feeder.place(second, turn * 4 + offset, b"second", key=b"k%d" % (offset % 2))
            feeder.flush()
            assert feeder.withdraw(first) == 0
            feeder.close_partition(first)
            feeder.open_partition(first, turn * 4 + 4)
            while feeder.busy:
                assert serve_all(handler, got.append)
                feeder.settle()
                feeder.flush()
        assert got == [b"second"] * 160
        assert feeder.low_water(second) == 160
        assert feeder.room == 16


def test_what_lies_below_something_begun_may_be_spared_and_is_executed() -> None:
    with rig() as ring:
        feeder, slow, quick = ring.feeder(order="key"), ring.handler(), ring.handler()
        index = opened(feeder)
        for offset, key in enumerate((b"slow", b"quick", b"slow", b"quick")):
            feeder.place(index, offset, b"%d" % offset, key=key)
        feeder.flush()
        (claim,) = slow.claim(1)
        serve_all(quick, lambda value: None)
        feeder.settle()
        feeder.flush()
        serve_all(quick, lambda value: None)
        feeder.settle()
        feeder.place(index, 4, b"4", key=b"slow")
        feeder.place(index, 5, b"5", key=b"quick")
        feeder.flush()
        assert feeder.withdraw(index, spare=True) == 2, "0 is executing and 2 waits behind it; 3 is done"
        assert quick.claim(2) == []
        slow.finish(claim, DONE)
        feeder.settle()
        feeder.flush()
        got: list[bytes | None] = []
        serve_all(quick, got.append)
        feeder.settle()
        assert got == [b"2"]
        assert feeder.withdraw(index, spare=True) == 0
        assert feeder.close_partition(index) == (4, 0)


def test_what_has_no_offset_leaves_as_well() -> None:
    with rig() as ring:
        feeder, handler = ring.feeder(tagged=True), ring.handler()
        index = opened(feeder)
        feeder.place(index, -1, b"", tag=1)
        feeder.flush()
        assert feeder.withdraw(index) == 0
        assert feeder.busy == 0
        assert handler.claim(1) == []


def test_what_was_spared_leaves_when_it_is_asked_for_all() -> None:
    with rig() as ring:
        feeder, slow, quick = ring.feeder(order="key"), ring.handler(), ring.handler()
        index = opened(feeder)
        for offset, key in enumerate((b"slow", b"quick", b"slow", b"quick")):
            feeder.place(index, offset, b"", key=key)
        feeder.flush()
        (claim,) = slow.claim(1)
        for _ in range(2):
            serve_all(quick, lambda value: None)
            feeder.settle()
            feeder.flush()
        assert feeder.withdraw(index, spare=True) == 2, "0 is executing and 2 waits behind it; 3 is done"
        assert feeder.withdraw(index) == 1
        slow.finish(claim, DONE)
        feeder.settle()
        feeder.flush()
        assert quick.claim(1) == []
        assert feeder.busy == 0
        assert feeder.low_water(index) == 2


def test_deliveries_are_settled_by_tag_and_no_tag_is_dropped_when_nobody_asks() -> None:
    with rig() as ring:
        feeder, handler = ring.feeder(tagged=True), ring.handler()
        index = opened(feeder)
        placed, settled = 0, []
        while feeder.place(index, 7, b"", tag=placed):
            placed += 1
            feeder.flush()
            serve_all(handler, lambda value: None)
            feeder.settle()
        assert placed <= 32
        settled += feeder.take_tags()
        assert settled == list(range(placed))
        assert feeder.place(index, 7, b"", tag=99)


def test_events_are_told_once_however_long_nobody_asks() -> None:
    with rig() as ring:
        feeder, handler = ring.feeder(order="key"), ring.handler()
        index = feeder.partition_index("t", 0)
        for turn in range(100):
            feeder.open_partition(index, turn)
            feeder.place(index, turn, b"", key=b"k")
            feeder.flush()
            serve_all(handler, lambda value: RETRY)
            feeder.settle()
            feeder.withdraw(index)
        assert feeder.take_events() == []
        feeder.open_partition(index, 100)
        feeder.place(index, 100, b"", key=b"k")
        feeder.flush()
        handler.serve(plan_of(lambda value: RETRY))
        feeder.settle()
        assert len(feeder.take_events()) == 1
