"""When to try again a server or file that is away: exponential, with jitter, never giving up.

The backends enter. Pure: time and chance are handed in.
"""

from dataclasses import dataclass

FIRST_S = 0.05
LONGEST_S = 5.0
_STEPS = 16


@dataclass(slots=True)
class Backoff:
    """Failures in a row, and the moment (monotonic clock) before which nothing is tried."""

    failures: int = 0
    not_before_s: float = 0.0

    def failed(self, now_s: float, chance: float) -> None:
        """One more failure; `chance` in [0, 1) spreads the next try over the second half of the wait."""
        wait_s = min(LONGEST_S, FIRST_S * 2 ** min(self.failures, _STEPS))
        self.failures += 1
        self.not_before_s = now_s + wait_s * (0.5 + chance / 2)

    def succeeded(self) -> None:
        """All is well: the next failure begins at the shortest wait."""
        self.failures = 0
        self.not_before_s = 0.0

    def wait_s(self, now_s: float) -> float:
        """How long still; 0 when it may be tried."""
        return max(0.0, self.not_before_s - now_s)
