"""How fast handlers are, and how much of the queues they may therefore have in hand."""

import pytest

from ringmain.feed.pace import AHEAD_S, LEAST, MOST, Pace
from ringmain.feed.rate import Rate


def test_a_rate_is_that_of_the_last_seconds() -> None:
    rate, total = Rate(4.0), 0
    for tenth in range(200):
        total += 10 if tenth < 100 else 50
        found = rate.note(total, tenth / 10)
    assert found == pytest.approx(500, rel=0.01)


def test_the_first_moments_of_a_count_make_no_rate_out_of_nothing() -> None:
    rate = Rate(4.0)
    assert rate.note(1000, 5.0) == 0
    assert rate.note(1001, 5.001) == pytest.approx(4)


def test_a_rate_falls_to_nothing_when_nothing_happens() -> None:
    rate = Rate(4.0)
    rate.note(0, 0.0)
    assert rate.note(100, 1.0) == 100
    assert rate.note(100, 4.0) == 25
    rate.note(100, 9.0)
    assert rate.note(100, 20.0) == 0


@pytest.mark.parametrize(("rate", "least", "most"), [(0, LEAST, LEAST), (10, 300, 600), (1e6, MOST, MOST)])
def test_what_handlers_finish_in_about_a_minute_may_be_in_hand(rate: float, least: int, most: int) -> None:
    pace = Pace()
    for second in range(20):
        allowed = pace.allowed(int(rate * second), float(second))
    assert least <= allowed <= most
    assert allowed <= max(LEAST, rate * AHEAD_S)
    assert allowed & (allowed - 1) == 0
