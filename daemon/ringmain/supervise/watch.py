"""Who is overdue: pure policy over what can be seen of a child from outside.

The loop enters with one Sight of each child and gets a reason to end it, or None. What a child says of
itself is no evidence here: its beat, the start of its call, its size and its progress are.
"""

from dataclasses import dataclass

from ringmain.supervise.respawn import Cause

BOOT_S = 300.0
"""Longest silence before a role is at work: models are loaded and schemas fetched in there."""
BEAT_S = 60.0
"""Longest silence of a child that waits on others: a synchronous commit at a broker that is away is long."""
HANDLER_BEAT_S = 10.0
"""Longest silence of a handler between calls, if timeout_s is not longer."""
STALL_S = 120.0
"""Longest standstill of a feeder with work before it, if three times timeout_s is not longer."""


@dataclass(frozen=True)
class Limits:
    """What a child's route allows; None or infinity is no limit."""

    timeout_s: float
    beat_s: float
    max_rss_bytes: int | None = None

    @property
    def stall_s(self) -> float:
        """How long a feeder may stand still."""
        return max(STALL_S, 3 * self.timeout_s)


@dataclass(frozen=True)
class Sight:
    """What is seen of a child at one moment."""

    booted: bool
    silent_s: float
    busy_s: float = 0.0
    rss_bytes: int = 0
    standing_s: float = 0.0
    busy_since_ns: int = 0
    """Which call it is in: it changes with the call."""


@dataclass(frozen=True)
class Overdue:
    """Why a child has to end."""

    cause: Cause
    detail: str


def limits_of_handler(timeout_s: float, max_rss_bytes: int | None) -> Limits:
    """A handler's: an async one is silent as long as its loop stands still in one call."""
    return Limits(timeout_s, max(timeout_s, HANDLER_BEAT_S), max_rss_bytes)


def overdue(sight: Sight, limits: Limits) -> Overdue | None:
    """The first limit that is passed."""
    if sight.busy_s > limits.timeout_s:
        return Overdue(Cause.TIMEOUT, f"call took longer than timeout_s = {limits.timeout_s:g}")
    if limits.max_rss_bytes is not None and sight.rss_bytes > limits.max_rss_bytes:
        return Overdue(Cause.RSS, f"{sight.rss_bytes} bytes resident, max_rss_bytes = {limits.max_rss_bytes}")
    longest_s = limits.beat_s if sight.booted else BOOT_S
    if sight.busy_s == 0.0 and sight.silent_s > longest_s:
        return Overdue(Cause.STUCK, f"no sign of life for {sight.silent_s:.0f} s")
    if sight.standing_s > limits.stall_s:
        return Overdue(Cause.STUCK, f"work to do and nothing finished for {sight.standing_s:.0f} s")
    return None


def look_again_s(sight: Sight, limits: Limits) -> float:
    """In how many seconds at the earliest its call can be overdue: no need to look before."""
    return max(0.0, limits.timeout_s - sight.busy_s)


class Progress:
    """How long a feeder has had work before it without finishing any."""

    def __init__(self, now_s: float) -> None:
        self._finished = -1
        self._since_s = now_s

    def standing_s(self, now_s: float, waiting: int, finished: int) -> float:
        """Take what waits for handlers and the running total of what is finished."""
        if waiting == 0 or finished != self._finished:
            self._finished, self._since_s = finished, now_s
        return now_s - self._since_s
