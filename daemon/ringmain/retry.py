"""When a failed message is tried again, and when it is given up.

Pure: handlers, feeders and the courier ask the same functions, so a crash, a timeout and an exception use up
attempts alike. Nothing here waits, sends or logs.
"""

from bisect import bisect_left
from typing import Literal, Protocol

import msgspec

from ringmain.verdict import DEAD, RETRY, Failure

LADDER_S = (
    *(1, 2, 5, 10, 20, 30, 40, 60, 80, 120, 160, 240, 320, 480, 640, 900, 1280, 1800, 2560, 3600),
    *(5400, 7200, 10_800, 14_400, 21_600, 28_800, 43_200, 86_400, 172_800, 604_800),
)
"""Every delay there is, in whole seconds: each is a queue that is never removed, so use adds none.

It holds the default policy's own steps exactly (5, 10, 20 … 2560, 3600), so that rounding up changes nothing
there; between them it is close enough that rounding up rarely adds more than a half.
"""

_MAX_DOUBLINGS = 60


class Policy(Protocol):
    """`routes.R.retry` of the config file, or a channel's."""

    @property
    def attempts(self) -> int: ...
    @property
    def backoff(self) -> Literal["exponential", "linear"]: ...
    @property
    def first_s(self) -> float: ...
    @property
    def max_s(self) -> float: ...


def delay_s(policy: Policy, attempt: int) -> float:
    """The wait after failed attempt number `attempt` (1 = the first call)."""
    before = max(attempt, 1) - 1
    factor = before + 1 if policy.backoff == "linear" else 2 ** min(before, _MAX_DOUBLINGS)
    return float(min(policy.first_s * factor, policy.max_s))


def round_up(delay_s: float) -> int:
    """The first step of the ladder that is not shorter; beyond the ladder its last step, one week."""
    return LADDER_S[min(bisect_left(LADDER_S, delay_s), len(LADDER_S) - 1)]


def decide(policy: Policy, attempt: int, failure: Failure) -> tuple[int, Failure]:
    """RETRY with its delay filled in, or DEAD once `attempt` was the last that the policy allows.

    A failure that is not counted uses up no attempt and so never exhausts them.
    """
    if failure.counted and attempt >= policy.attempts:
        return DEAD, failure
    if failure.delay_s is None:
        failure = msgspec.structs.replace(failure, delay_s=delay_s(policy, attempt))
    return RETRY, failure
