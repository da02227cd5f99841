"""For how long what lies below something begun is still executed while its partition is given away: policy.

Partitions enters, at a revocation and when the feeder leaves. Withdrawn instead, it would be a gap: nothing
above it counts as committed, and the next owner does all of that again. No slot is touched here.
"""

from ringmain import clock

RETRY_S = 2.0
"""What waits in place for its retry longer than this is not waited for: it may be an hour."""


class Sparing:
    """One giving away, from `now_s` on: for the first half of the time until `deadline_s`."""

    def __init__(self, now_s: float, deadline_s: float) -> None:
        self._until_s = (now_s + deadline_s) / 2
        self._retries_until_s = min(self._until_s, now_s + RETRY_S)

    def goes_on(self, in_hand: bool, next_retry_s: float | None) -> bool:
        """Whether it is still worth it. `in_hand`: a handler has something of it, or could take it now."""
        soon = next_retry_s is not None and next_retry_s < self._retries_until_s
        return clock.monotonic_s() < self._until_s and (in_hand or soon)
