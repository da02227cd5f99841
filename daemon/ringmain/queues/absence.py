"""When to speak of queues that are away: as they go, every minute, as they come back. Pure."""

from dataclasses import dataclass
from typing import Literal

from ringmain.queues.contract import Away

AGAIN_S = 60.0

News = Literal["gone", "still", "back"]


@dataclass(slots=True)
class Absence:
    """What was said last."""

    since_s: float | None = None
    reason: str = ""
    _said_s: float = 0.0

    def news(self, away: Away | None, now_s: float) -> News | None:
        """What there is to say now, if anything."""
        if away is None:
            was_away, self.since_s = self.since_s is not None, None
            return "back" if was_away else None
        self.reason = away.reason
        if self.since_s is None:
            self.since_s, self._said_s = away.since_s, now_s
            return "gone"
        if now_s - self._said_s >= AGAIN_S:
            self._said_s = now_s
            return "still"
        return None
