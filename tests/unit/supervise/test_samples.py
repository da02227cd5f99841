"""Rates of running totals and how long something has lasted, seen at moments of the caller's."""

from hypothesis import given
from hypothesis import strategies as st

from ringmain.supervise.samples import WINDOW_S, Samples


def test_a_rate_is_the_growth_over_the_window() -> None:
    samples = Samples()
    for second in range(20):
        samples.count("k", float(second), (100.0 * second, 7.0))
    assert samples.rates("k") == (100.0, 0.0)


def test_what_was_before_the_window_does_not_count() -> None:
    samples = Samples()
    for second in range(10):
        samples.count("k", float(second), (1000.0 * second,))
    for second in range(10, 20):
        samples.count("k", float(second), (9000.0,))
    assert samples.rates("k") == (0.0,)


def test_one_look_knows_no_rate() -> None:
    samples = Samples()
    assert samples.rates("k") == ()
    samples.count("k", 1.0, (5.0,))
    assert samples.rates("k") == ()


def test_a_total_that_goes_back_begins_again() -> None:
    samples = Samples()
    samples.count("k", 0.0, (100.0,))
    samples.count("k", 1.0, (5.0,))
    assert samples.rates("k") == ()
    samples.count("k", 2.0, (15.0,))
    assert samples.rates("k") == (10.0,)


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(0, 1000)), min_size=2, max_size=200))
def test_rates_are_never_negative_and_the_memory_is_small(steps: list[tuple[float, int]]) -> None:
    samples, now_s, total = Samples(), 0.0, 0
    for step_s, more in steps:
        now_s, total = now_s + step_s, total + more
        samples.count("k", now_s, (float(total),))
        seconds, grown = samples.grown("k")
        assert all(one >= 0 for one in grown)
        assert seconds <= WINDOW_S + 2.5
    assert len(samples._totals["k"]) <= 2 * WINDOW_S / 0.5 + 3


def test_how_long_it_has_been_the_same() -> None:
    samples = Samples()
    assert samples.unchanged_s("k", 10.0, "a") == 0.0
    assert samples.unchanged_s("k", 12.0, "a") == 2.0
    assert samples.unchanged_s("k", 13.0, "b") == 0.0
    assert samples.unchanged_s("k", 13.5, "b") == 0.5


def test_once_is_remembered() -> None:
    samples = Samples()
    assert not samples.ever("k", False)
    assert samples.ever("k", True)
    assert samples.ever("k", False)


def test_what_was_not_seen_at_the_last_look_is_forgotten() -> None:
    samples = Samples()
    samples.count("k", 0.0, (0.0,))
    samples.unchanged_s("m", 0.0, 1)
    samples.forget()
    samples.unchanged_s("m", 5.0, 1)
    samples.forget()
    samples.count("k", 6.0, (60.0,))
    assert samples.rates("k") == ()
    assert samples.unchanged_s("m", 7.0, 1) == 7.0
