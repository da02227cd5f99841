"""When a child that ended is followed."""

import pytest

from ringmain import lifecycle
from ringmain.supervise.respawn import LONGEST_BOOT_S, LONGEST_S, Cause, History, cause_of, detail_of


def _deaths(history: History, count: int, cause: Cause, booted: bool, lived_s: float = 0.1) -> list[float]:
    delays = []
    for n in range(count):
        history.died(cause, booted, lived_s, now_s=100.0 + n)
        delays.append(history.delay_s(booted, chance=0.0))
    return delays


def test_the_first_death_at_work_is_followed_at_once_and_later_ones_slow_down() -> None:
    delays = _deaths(History(), 12, Cause.CRASHED, booted=True)
    assert delays[0] == 0
    assert delays == sorted(delays)
    assert delays[-1] == LONGEST_S


def test_one_that_cannot_boot_waits_from_the_first_time_and_slows_to_half_a_minute() -> None:
    delays = _deaths(History(), 12, Cause.CANNOT_BOOT, booted=False)
    assert delays[0] > 0
    assert delays[-1] == LONGEST_BOOT_S == 30.0


def test_a_long_life_is_forgiven() -> None:
    history = History()
    _deaths(history, 8, Cause.CRASHED, booted=True)
    assert _deaths(history, 1, Cause.CRASHED, booted=True, lived_s=60.0) == [0.0]


@pytest.mark.parametrize("cause", [Cause.ENDED, Cause.RECYCLED, Cause.REVOKED, Cause.DEADLINE])
def test_what_is_not_the_childs_fault_slows_nothing_down(cause: Cause) -> None:
    history = History()
    assert _deaths(history, 20, cause, booted=True) == [0.0] * 20
    assert not history.loops(now_s=121.0)


def test_chance_spreads_those_that_died_together_and_never_waits_longer() -> None:
    history = History()
    _deaths(history, 6, Cause.CRASHED, booted=True)
    spread = [history.delay_s(True, chance / 10) for chance in range(11)]
    assert spread == sorted(spread, reverse=True)
    assert spread[-1] == pytest.approx(0.8 * spread[0])


def test_five_deaths_within_a_minute_are_a_loop_and_time_ends_it() -> None:
    history = History()
    _deaths(history, 4, Cause.CRASHED, booted=True)
    assert not history.loops(now_s=104.0)
    _deaths(history, 1, Cause.CRASHED, booted=True)
    assert history.loops(now_s=104.0)
    assert not history.loops(now_s=200.0)


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (lifecycle.OK, Cause.ENDED),
        (lifecycle.CANNOT_BOOT, Cause.CANNOT_BOOT),
        (lifecycle.FATAL, Cause.FATAL),
        (lifecycle.STUCK, Cause.STUCK),
        (lifecycle.UNSURE, Cause.UNSURE),
        (lifecycle.RECYCLE, Cause.RECYCLED),
        (lifecycle.CRASHED, Cause.CRASHED),
        (1, Cause.CRASHED),
        (-9, Cause.CRASHED),
    ],
)
def test_exit_codes_tell_causes(code: int, cause: Cause) -> None:
    assert cause_of(code) is cause


def test_details_are_for_people() -> None:
    assert detail_of(-11) == "killed by signal 11 (SIGSEGV)"
    assert detail_of(-40) == "killed by signal 40"
    assert detail_of(3) == "exited with code 3"
