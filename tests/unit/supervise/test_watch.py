"""Who is overdue."""

from dataclasses import replace

import pytest

from ringmain.supervise.respawn import Cause
from ringmain.supervise.watch import (
    BEAT_S,
    BOOT_S,
    Limits,
    Progress,
    Sight,
    limits_of_handler,
    look_again_s,
    overdue,
)

HANDLER = limits_of_handler(30.0, 1 << 30)
WELL = Sight(booted=True, silent_s=0.5)


@pytest.mark.parametrize(
    ("sight", "cause"),
    [
        (WELL, None),
        (replace(WELL, busy_s=29.0), None),
        (replace(WELL, busy_s=31.0), Cause.TIMEOUT),
        (replace(WELL, busy_s=29.0, silent_s=29.5), None),
        (replace(WELL, silent_s=29.0), None),
        (replace(WELL, silent_s=31.0), Cause.STUCK),
        (replace(WELL, rss_bytes=1 << 30), None),
        (replace(WELL, rss_bytes=(1 << 30) + 1), Cause.RSS),
        (replace(WELL, busy_s=1.0, rss_bytes=2 << 30), Cause.RSS),
        (Sight(booted=False, silent_s=BOOT_S - 1), None),
        (Sight(booted=False, silent_s=BOOT_S + 1), Cause.STUCK),
    ],
)
def test_handlers(sight: Sight, cause: Cause | None) -> None:
    found = overdue(sight, HANDLER)
    assert (found.cause if found else None) is cause


def test_a_short_timeout_leaves_a_handler_ten_seconds_between_calls() -> None:
    assert overdue(replace(WELL, silent_s=9.0), limits_of_handler(0.5, None)) is None


def test_without_max_rss_bytes_no_size_is_too_much() -> None:
    assert overdue(replace(WELL, rss_bytes=1 << 50), limits_of_handler(30.0, None)) is None


def test_a_feeder_stands_still_after_two_minutes_or_three_timeouts() -> None:
    assert overdue(replace(WELL, standing_s=119.0), Limits(30.0, BEAT_S)) is None
    found = overdue(replace(WELL, standing_s=121.0), Limits(30.0, BEAT_S))
    assert found
    assert found.cause is Cause.STUCK
    assert overdue(replace(WELL, standing_s=121.0), Limits(100.0, BEAT_S)) is None


def test_progress_counts_only_while_something_waits_and_nothing_is_finished() -> None:
    progress = Progress(0.0)
    assert progress.standing_s(10.0, waiting=0, finished=5) == 0
    assert progress.standing_s(20.0, waiting=3, finished=5) == 10
    assert progress.standing_s(30.0, waiting=3, finished=6) == 0
    assert progress.standing_s(50.0, waiting=3, finished=6) == 20
    assert progress.standing_s(51.0, waiting=0, finished=6) == 0


def test_nobody_looks_again_before_a_call_can_be_overdue() -> None:
    assert look_again_s(WELL, HANDLER) == 30.0
    assert look_again_s(replace(WELL, busy_s=29.0), HANDLER) == pytest.approx(1.0)
    assert look_again_s(replace(WELL, busy_s=31.0), HANDLER) == 0
