"""When overflow begins and ends, and how much stays with the handlers."""

from collections.abc import Iterator
from typing import Any

import pytest

from ringmain.config.schema import Overflow as Rule
from ringmain.feed.overflow import KEPT_S, LEAST_S, UNCONFIRMED_S, Look, Overflow

SLOTS = 8192
FULL = 7000


class Story:
    """A feeder's looks, ten a second; what is not told is as before."""

    def __init__(self, rate: float = 200.0, **rule: Any) -> None:
        self.policy = Overflow(Rule(**rule), SLOTS)
        self.rate = rate
        self.seen = Look(100.0, False, False, 0, 0, 0, 0, 0, False)

    def during(self, for_s: float, **what: Any) -> Iterator[str]:
        """The changes of that time: "+ reason" or "- reason"."""
        self.seen = self.seen._replace(**what)
        for _ in range(round(for_s * 10)):
            executed = self.seen.executed + round(self.rate / 10)
            self.seen = self.seen._replace(now_s=self.seen.now_s + 0.1, executed=executed)
            if (change := self.policy.look(self.seen)) is not None:
                assert change.on is self.policy.on
                yield ("+ " if change.on else "- ") + change.reason

    def tell(self, for_s: float, **what: Any) -> list[str]:
        return list(self.during(for_s, **what))


def overflowing(**rule: Any) -> Story:
    story = Story(**(rule or {"after_s": 2.0}))
    story.tell(5)
    begun = story.tell(3, full=True, unclaimed=FULL, lag=10_000)
    assert len(begun) == 1
    assert story.policy.on
    return story


def test_it_begins_when_the_ring_was_full_for_as_long_as_the_rule_says() -> None:
    story = Story(after_s=2.0)
    assert story.tell(1.9, full=True, unclaimed=FULL) == []
    (begun,) = story.tell(0.5)
    assert begun.startswith("+ the ring was full for 2.")


def test_a_ring_with_room_now_and_then_is_not_full_for_long() -> None:
    story = Story(after_s=2.0)
    for _ in range(5):
        assert story.tell(1.5, full=True) + story.tell(0.1, full=False) == []


def test_it_begins_at_once_when_the_ring_is_full_and_kafka_far_ahead() -> None:
    story = Story(lag=50_000)
    assert story.tell(5, full=True, lag=49_999) == []
    assert story.tell(5, full=False, lag=60_000) == []
    assert story.tell(0.1, full=True) == ["+ the ring is full and 60000 messages wait in Kafka"]


def test_handlers_keep_what_they_finish_in_two_seconds_and_never_more_than_half_the_ring() -> None:
    for rate, kept in [(200.0, 200 * KEPT_S), (10.0, 10 * KEPT_S), (0.0, 1), (1e6, SLOTS / 2)]:
        story = Story(rate, after_s=1000.0)
        story.tell(20)
        assert story.policy.keep == pytest.approx(kept, rel=0.1)


def test_it_ends_when_handlers_have_caught_up_and_kafka_is_read() -> None:
    story = overflowing(after_s=2.0)
    assert story.tell(5, unclaimed=201, lag=0) == []
    assert story.tell(5, unclaimed=200, lag=SLOTS) == []
    assert story.tell(0.1, lag=0) == ["- handlers have caught up with what they kept"]


def test_it_does_not_end_while_messages_wait_for_room_whatever_was_last_known_of_the_lag() -> None:
    story = overflowing(after_s=2.0)
    assert story.tell(5, unclaimed=0, lag=0, stalled=True) == []
    assert len(story.tell(0.1, stalled=False)) == 1


def test_with_a_lag_rule_it_ends_below_half_of_that_lag() -> None:
    story = overflowing(lag=5_000)
    assert story.tell(5, unclaimed=0, lag=2_501) == []
    assert story.tell(0.1, lag=2_500) == ["- handlers have caught up with what they kept"]


def test_it_does_not_end_in_the_moment_in_which_it_began() -> None:
    story = Story(rate=0.0, after_s=1.0)
    changes = story.tell(1.0 + LEAST_S, full=True, unclaimed=1, lag=0)
    assert [change[0] for change in changes] == ["+"]
    assert [change[0] for change in story.tell(0.3, full=False)] == ["-"]


def test_paused_handlers_are_no_reason_to_begin_and_a_reason_to_end() -> None:
    story = Story(after_s=2.0)
    assert story.tell(60, full=True, paused=True) == []
    story = overflowing(after_s=2.0)
    assert story.tell(0.1, paused=True) == ["- handlers are paused"]


def test_queues_that_confirm_nothing_end_it_until_they_confirm_again() -> None:
    story = overflowing(after_s=2.0)
    ended = story.tell(UNCONFIRMED_S + 1, carrying=100, carried=0)
    assert ended == [f"- the queues confirmed nothing for {UNCONFIRMED_S:g} s"]
    assert story.tell(60) == []
    assert len(story.tell(0.2, carried=1)) == 1
    assert story.policy.on


def test_slow_confirms_are_confirms() -> None:
    story = overflowing(after_s=2.0)
    for carried in range(1, 10):
        assert story.tell(UNCONFIRMED_S - 1, carrying=100, carried=carried) == []


def test_more_is_diverted_only_when_much_more_waits_than_handlers_keep() -> None:
    story = overflowing(after_s=2.0)
    assert story.policy.surplus(story.seen._replace(unclaimed=600))
    assert not story.policy.surplus(story.seen._replace(unclaimed=410))
    story.tell(0.1, paused=True)
    assert not story.policy.surplus(story.seen._replace(unclaimed=600))
