"""How many now, and how long to rest: `--rate` and `--limit`. Pure; time is handed in.

A job enters. The rate is kept from the job's beginning, so a pause of the queues is not made up for by a
burst.
"""

from dataclasses import dataclass

AT_ONCE = 500
REST_S = 0.25
"""A slow job acts about so often: small steps are ended soon."""


@dataclass(slots=True)
class Pace:
    """`rate` messages a second at most; None = as fast as it goes."""

    rate: float | None
    limit: int | None
    acted: int = 0
    _ready_s: float = 0.0

    @property
    def at_once(self) -> int:
        """The largest batch worth picking."""
        batch = AT_ONCE if self.rate is None else max(1, min(AT_ONCE, int(self.rate * REST_S)))
        return batch if self.limit is None else max(1, min(batch, self.limit))

    @property
    def left(self) -> int:
        """How many more may be acted on."""
        return AT_ONCE if self.limit is None else max(0, self.limit - self.acted)

    @property
    def over(self) -> bool:
        """Is the limit reached?"""
        return self.limit is not None and self.acted >= self.limit

    def did(self, messages: int, now_s: float) -> None:
        """So many were acted on."""
        self.acted += messages
        if self.rate is not None:
            self._ready_s = max(now_s, self._ready_s) + messages / self.rate

    def rest_s(self, now_s: float) -> float:
        """How long to wait before the next."""
        return max(0.0, self._ready_s - now_s)
