"""The retry policy: delays, the ladder, and when a message is given up."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringmain import retry
from ringmain.config.schema import Retry
from ringmain.retry import LADDER_S
from ringmain.verdict import DEAD, RETRY, Failure


def test_the_default_policy_takes_about_two_and_a_half_hours_on_the_ladder_itself() -> None:
    delays = [retry.delay_s(Retry(), attempt) for attempt in range(1, 12)]
    assert delays == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600]
    assert [retry.round_up(delay) for delay in delays] == delays
    assert 2.4 < sum(delays) / 3600 < 2.5


def test_linear_grows_by_the_first_delay_up_to_the_longest() -> None:
    policy = Retry(backoff="linear", first_s=10, max_s=25)
    assert [retry.delay_s(policy, attempt) for attempt in (1, 2, 3, 4)] == [10, 20, 25, 25]


def test_the_ladder_is_whole_seconds_that_grow_to_more_than_a_day() -> None:
    assert list(LADDER_S) == sorted(set(LADDER_S))
    assert all(isinstance(step, int) for step in LADDER_S)
    assert LADDER_S[-1] >= 86_400


@given(st.floats(0, LADDER_S[-1]))
def test_a_delay_is_never_shortened(delay_s: float) -> None:
    assert retry.round_up(delay_s) >= delay_s
    assert retry.round_up(delay_s) in LADDER_S


def test_beyond_the_ladder_is_its_last_step() -> None:
    assert retry.round_up(1e12) == LADDER_S[-1]


@given(st.integers(1, 1_000_000), st.sampled_from(["linear", "exponential"]))
def test_no_attempt_number_makes_a_delay_pass_the_longest(attempt: int, backoff: Any) -> None:
    assert 0 <= retry.delay_s(Retry(backoff=backoff), attempt) <= 3600


@pytest.mark.parametrize(("attempt", "code"), [(11, RETRY), (12, DEAD), (13, DEAD)])
def test_the_last_attempt_is_the_last(attempt: int, code: int) -> None:
    assert retry.decide(Retry(attempts=12), attempt, Failure())[0] == code


def test_what_is_not_counted_never_exhausts_the_attempts() -> None:
    code, failure = retry.decide(Retry(attempts=1), 99, Failure(counted=False, delay_s=7.0))
    assert (code, failure.delay_s) == (RETRY, 7.0)


def test_a_delay_that_was_asked_for_wins_over_the_policy() -> None:
    assert retry.decide(Retry(), 1, Failure(delay_s=0.0))[1].delay_s == 0.0
    assert retry.decide(Retry(), 1, Failure())[1].delay_s == 5.0
