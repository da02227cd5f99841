"""The order of a stop and its deadlines."""

import pytest

from ringmain.supervise.nag import Nag
from ringmain.supervise.stopping import Phase, Stopping

ALL = {"handle", "settle", "feed", "courier", "http", "admin"}


def _phases(stopping: Stopping) -> list[Phase]:
    phases, alive = [], set(ALL)
    while (phase := stopping.advance(alive, now_s=100.0)) is not None:
        assert stopping.advance(alive, now_s=100.0) is None, "nothing begins while somebody is busy with it"
        phases.append(phase)
        alive.discard(phase.name)
    assert stopping.over(alive)
    return phases


@pytest.mark.parametrize("stop_s", [0.0, 1.0, 25.0, 3600.0])
def test_all_settle_then_handlers_feeders_and_courier_leave_each_within_stop_s(stop_s: float) -> None:
    phases = _phases(Stopping(100.0, stop_s))
    assert [phase.name for phase in phases] == ["settle", "handle", "feed", "courier", "http", "admin"]
    assert [phase.role for phase in phases] == ["feed", "handle", "feed", "courier", "http", "admin"]
    assert phases == sorted(phases, key=lambda phase: phase.killed_s)
    assert phases == sorted(phases, key=lambda phase: phase.told_s)
    assert all(100.0 <= phase.told_s <= phase.killed_s <= 100.0 + stop_s for phase in phases)


def test_calls_leave_time_to_commit_what_they_did() -> None:
    settle, handlers, *_ = _phases(Stopping(0.0, 25.0))
    assert settle.told_s == 20.0
    assert settle.killed_s < handlers.told_s, "a frozen feeder takes nothing of the handlers' time"


def test_nobody_is_told_to_leave_while_a_feeder_has_not_settled() -> None:
    stopping = Stopping(0.0, 25.0)
    settle = stopping.advance({"feed", "handle", "settle"}, now_s=0.0)
    assert settle is not None
    assert stopping.advance({"feed", "handle", "settle"}, now_s=0.0) is None
    handle = stopping.advance({"feed", "handle"}, now_s=0.0)
    assert handle is not None
    assert handle.name == "handle"
    leave = stopping.advance({"feed"}, now_s=0.0)
    assert leave is not None
    assert (settle.name, leave.name) == ("settle", "feed")
    assert settle.role == leave.role == "feed"
    assert settle.killed_s <= leave.told_s, "one that is killed takes nothing of the others' time"


def test_only_a_courier_that_others_wait_for_is_still_followed() -> None:
    stopping = Stopping(0.0, 25.0)
    assert stopping.may_follow("courier")
    assert not stopping.may_follow("feed")
    assert not stopping.may_follow("handle")
    _phases(stopping)
    assert not stopping.may_follow("courier")


def test_after_a_second_signal_nobody_is_followed_and_it_is_over_when_all_are_gone() -> None:
    stopping = Stopping(0.0, 25.0)
    stopping.advance(ALL, now_s=0.0)
    stopping.now()
    assert not stopping.may_follow("courier")
    assert not stopping.over({"courier"})
    assert stopping.over(())


def test_a_role_that_is_not_there_is_passed_over() -> None:
    stopping = Stopping(0.0, 25.0)
    assert [stopping.advance({"courier"}, 0.0) for _ in range(4)][-1] is not None
    assert [phase.name for phase in iter(lambda: stopping.advance(set(), 0.0), None)] == ["http", "admin"]
    assert stopping.over(set())


def test_a_trouble_is_said_once_then_every_minute_and_its_end_once() -> None:
    nag = Nag()
    assert [nag.due("kafka", "refused", at_s) for at_s in (0.0, 1.0, 59.0, 60.0, 61.0)] == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert nag.due("kafka", "another reason", 62.0)
    assert nag.over("kafka")
    assert not nag.over("kafka")
