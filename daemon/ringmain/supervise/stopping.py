"""The order of a graceful stop, and how long each part of it may take: pure policy.

The loop enters when it is told to stop. Feeders withdraw what was not begun, handlers go on until what was is
finished, feeders commit that; then handlers leave, feeders leave, the courier brings away the rest: in that
order, each before its share of `stop_s` is over. The admin ends last: who asks how far a stop is gets its
answer.

Handlers are at work until feeders have settled: what waits behind a call under way (of its key, or of a
handler that died) and lies below something done would be a gap, and all that was done above it would come
again.

No feeder leaves its group before the last commit of every other one stands: while the group changes, Kafka
answers nothing to a member that has joined until all have, and a static one does not say that it is gone.
"""

from collections.abc import Collection
from dataclasses import dataclass

SETTLE = "settle"
"""The part of a stop in which what was begun is finished and committed, and everybody stays."""
TAIL_RATIO = 0.2
TAIL_MOST_S = 5.0
"""What calls must leave to all that follows: their results are worth nothing uncommitted."""


@dataclass(frozen=True)
class Phase:
    """One part: its name, whose turn it is, the deadline they are told, and when they are killed."""

    name: str
    role: str
    told_s: float
    killed_s: float


class Stopping:
    """Where a stop has got to."""

    def __init__(self, now_s: float, stop_s: float) -> None:
        end_s = now_s + stop_s
        tail_s = min(TAIL_MOST_S, TAIL_RATIO * stop_s)
        self._ahead = [
            Phase(SETTLE, "feed", end_s - tail_s, end_s - 0.9 * tail_s),
            Phase("handle", "handle", end_s - 0.8 * tail_s, end_s - 0.7 * tail_s),
            Phase("feed", "feed", end_s - 0.5 * tail_s, end_s - 0.4 * tail_s),
            Phase("courier", "courier", end_s - 0.1 * tail_s, end_s),
            Phase("http", "http", end_s - 0.05 * tail_s, end_s),
            Phase("admin", "admin", end_s, end_s),
        ]
        self.current: Phase | None = None
        self.began_s = now_s
        self.entered_s = now_s

    def advance(self, busy: Collection[str], now_s: float) -> Phase | None:
        """The phase that begins now, because nobody is busy with the one before; None = go on as it is.

        Whose duty it is to end is busy as long as it lives: the phase has its role's name.
        """
        if self.current is not None and self.current.name in busy:
            return None
        if not self._ahead:
            self.current = None
            return None
        self.current, self.entered_s = self._ahead.pop(0), now_s
        return self.current

    def now(self) -> None:
        """No more phases: everybody is being killed, and nobody follows."""
        self._ahead.clear()

    def may_follow(self, role: str) -> bool:
        """Whether one that dies now is still followed: only a courier that others wait for."""
        return role == "courier" and any(phase.role == role for phase in self._ahead)

    def over(self, busy: Collection[str]) -> bool:
        """Whether all phases are done and nobody is left."""
        return not self._ahead and not busy
