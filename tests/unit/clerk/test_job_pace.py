"""`--rate` and `--limit`: how many now, how long to rest."""

from ringmain.clerk.pace import AT_ONCE, Pace


def test_without_a_rate_nobody_rests() -> None:
    pace = Pace(None, None)
    pace.did(500, now_s=10.0)
    assert pace.rest_s(10.0) == 0.0
    assert pace.at_once == pace.left == AT_ONCE
    assert not pace.over


def test_a_rate_is_kept_over_many_batches() -> None:
    pace, now_s, acted = Pace(100.0, None), 0.0, 0
    while now_s < 10.0:
        pace.did(pace.at_once, now_s)
        acted += pace.at_once
        now_s += pace.rest_s(now_s)
    assert 1000 <= acted <= 1000 + pace.at_once


def test_a_pause_of_the_queues_is_not_made_up_for() -> None:
    pace = Pace(10.0, None)
    pace.did(2, now_s=0.0)
    pace.did(2, now_s=60.0)
    assert round(pace.rest_s(60.0), 6) == 0.2


def test_a_slow_rate_acts_one_by_one() -> None:
    pace = Pace(0.5, None)
    assert pace.at_once == 1
    pace.did(1, now_s=0.0)
    assert pace.rest_s(0.0) == 2.0


def test_a_limit_ends_it() -> None:
    pace = Pace(None, 3)
    assert (pace.at_once, pace.left) == (3, 3)
    pace.did(2, 0.0)
    assert (pace.left, pace.over) == (1, False)
    pace.did(1, 0.0)
    assert (pace.left, pace.over) == (0, True)
