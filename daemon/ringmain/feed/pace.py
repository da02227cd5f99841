"""How much of the queues a feeder may have in hand: what its handlers finish in about a minute.

A queue feeder enters. Pure. What is held longer is kept from other nodes, and a server takes back what is
held for half an hour (RabbitMQ's consumer_timeout).
"""

from ringmain.feed.rate import Rate

AHEAD_S = 60.0
LEAST = 16
MOST = 1 << 16
_MEASURED_S = 8.0


class Pace:
    """Follows the verdicts that come back."""

    def __init__(self) -> None:
        self._rate = Rate(_MEASURED_S)

    def allowed(self, executed: int, now_s: float) -> int:
        """Messages that may be in hand now; in powers of two, so that it does not change at each look."""
        ahead = int(self._rate.note(executed, now_s) * AHEAD_S)
        return min(MOST, 1 << (max(ahead, LEAST).bit_length() - 1))
