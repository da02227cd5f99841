"""When a route that fails too much pauses, and when it goes on."""

from ringmain.config.schema import Flood
from ringmain.supervise.flood import Breaker, Verdict

POLICY = Flood(failed_ratio=0.5, window_s=30.0, messages=100, probe_s=30.0)


def _paused() -> Breaker:
    breaker = Breaker(POLICY)
    breaker.observe(0.0, 0, 0)
    assert breaker.observe(1.0, 100, 60) is Verdict.PAUSE
    return breaker


def test_half_of_a_hundred_calls_failing_pauses_the_route_with_a_reason() -> None:
    breaker = Breaker(POLICY)
    breaker.observe(0.0, 0, 0)
    assert breaker.observe(1.0, 99, 99) is Verdict.NOTHING
    assert breaker.observe(2.0, 100, 100) is Verdict.PAUSE
    assert breaker.reason() == "100 of 100 calls failed within 30 s"


def test_less_than_the_ratio_goes_on() -> None:
    breaker = Breaker(POLICY)
    breaker.observe(0.0, 0, 0)
    assert breaker.observe(1.0, 1000, 499) is Verdict.NOTHING


def test_what_was_before_the_window_does_not_count() -> None:
    breaker = Breaker(POLICY)
    for second in range(121):
        assert breaker.observe(float(second), second * 2, second * 2) is Verdict.NOTHING


def test_totals_from_before_the_breaker_do_not_count() -> None:
    assert Breaker(POLICY).observe(0.0, 10_000, 10_000) is Verdict.NOTHING


def test_while_paused_one_message_is_tried_each_probe_s() -> None:
    breaker = _paused()
    verdicts = {second: breaker.observe(float(second), 100, 60) for second in range(2, 92)}
    assert [second for second, verdict in verdicts.items() if verdict is Verdict.PROBE] == [31, 61, 91]


def test_who_thinks_it_may_go_on_has_a_message_tried_at_once() -> None:
    breaker = _paused()
    assert breaker.observe(2.0, 100, 60) is Verdict.NOTHING
    breaker.try_soon()
    assert breaker.observe(2.2, 100, 60) is Verdict.PROBE
    assert breaker.observe(2.4, 100, 60) is Verdict.NOTHING
    assert breaker.observe(2.6, 101, 60) is Verdict.RESUME


def test_a_probe_that_passes_resumes_and_the_window_begins_anew() -> None:
    breaker = _paused()
    assert breaker.observe(31.0, 100, 60) is Verdict.PROBE
    assert breaker.observe(32.0, 101, 60) is Verdict.RESUME
    assert breaker.observe(33.0, 150, 100) is Verdict.NOTHING
    assert not breaker.paused


def test_a_probe_that_fails_leaves_it_paused_until_the_next() -> None:
    breaker = _paused()
    assert breaker.observe(31.0, 100, 60) is Verdict.PROBE
    assert breaker.observe(32.0, 101, 61) is Verdict.NOTHING
    assert breaker.paused
    assert breaker.observe(61.0, 101, 61) is Verdict.PROBE


def test_calls_that_end_after_the_pause_are_no_probe() -> None:
    breaker = _paused()
    assert breaker.observe(2.0, 104, 60) is Verdict.NOTHING
    assert breaker.paused
