"""Backoff: grows, is bounded, spreads, and starts over."""

from ringmain.queues.backoff import FIRST_S, LONGEST_S, Backoff


def test_waits_grow_to_a_longest_and_never_stop() -> None:
    backoff, waits = Backoff(), []
    for _ in range(50):
        backoff.failed(100.0, 1.0)
        waits.append(backoff.wait_s(100.0))
    assert waits == sorted(waits)
    assert abs(waits[0] - FIRST_S) < 1e-9
    assert abs(waits[-1] - LONGEST_S) < 1e-9


def test_chance_spreads_over_the_second_half() -> None:
    early, late = Backoff(), Backoff()
    early.failed(0.0, 0.0)
    late.failed(0.0, 0.999)
    assert early.wait_s(0.0) == FIRST_S / 2
    assert early.wait_s(0.0) < late.wait_s(0.0) < FIRST_S


def test_success_starts_over() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.failed(0.0, 0.5)
    backoff.succeeded()
    assert backoff.wait_s(0.0) == 0.0
    backoff.failed(0.0, 0.0)
    assert backoff.wait_s(0.0) == FIRST_S / 2
