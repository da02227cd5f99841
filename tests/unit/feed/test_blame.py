"""Who pays for a dead handler: the only one that it executed, nobody, or each alone."""

import pytest

from ringmain import verdict
from ringmain.config.schema import Retry
from ringmain.feed import blame
from ringmain.feed.blame import ALONE, FAIL, Death
from ringmain.rings import CRASH, REVOKED, RSS, STUCK, TIMEOUT
from ringmain.verdict import DEAD, RETRY


def test_a_handler_killed_for_a_rebalance_blames_nobody() -> None:
    assert blame.innocent(Death(REVOKED, "", 1))
    assert not blame.innocent(Death(CRASH, "", 1))


@pytest.mark.parametrize("cause", [CRASH, RSS, STUCK])
def test_several_calls_under_way_are_suspects_one_is_not(cause: int) -> None:
    assert blame.suspected(Death(cause, "", 2))
    assert not blame.suspected(Death(cause, "", 1))


def test_below_the_limit_a_crash_means_once_more_alone() -> None:
    assert blame.for_crash(1, 2, "killed by signal 11").act == ALONE


def test_at_the_limit_it_is_dead_and_says_how_the_process_ended() -> None:
    sentence = blame.for_crash(2, 2, "killed by signal 11 (SIGSEGV)\nmore")
    failure = verdict.decode(sentence.detail)
    assert (sentence.act, sentence.code, failure.error_class) == (FAIL, DEAD, "HandlerCrash")
    assert "2 times" in failure.error_message
    assert failure.error_message.endswith("killed by signal 11 (SIGSEGV)")


def test_a_timeout_is_a_failed_attempt_like_any_other() -> None:
    policy = Retry(attempts=2, first_s=5)
    first = blame.for_timeout(policy, 1, "passed 30 s\nstack")
    last = blame.for_timeout(policy, 2, "passed 30 s\nstack")
    assert (first.code, verdict.decode(first.detail).delay_s) == (RETRY, 5)
    assert (last.code, verdict.decode(last.detail).error_class) == (DEAD, "TimeoutError")
    assert not blame.suspected(Death(TIMEOUT, "", 3))
