"""When messages move on to the queues because handlers are too slow, and when that is over.

A Kafka feeder enters by `look`, some times a second. Pure: what the ring looks like goes in, a change and how
much handlers keep come out; nothing is diverted here.

    off --- full for after_s, or full and lag behind ---> on
     ^                                                     |
     '--- little waits for handlers, and Kafka is read ----'
     '--- or: handlers are paused, or the queues confirm nothing
"""

from typing import NamedTuple

from ringmain.config.schema import Overflow as Rule
from ringmain.feed.rate import Rate

KEPT_S = 2.0
"""What handlers finish in this time stays theirs: the committed offset waits no longer than about that."""
UNCONFIRMED_S = 5.0
"""Queues that confirm nothing for so long are no way out: handlers go on with what is in the ring."""
LEAST_S = 1.0
"""It does not end sooner for having caught up: each change is a line in the log."""
_MEASURED_S = 4.0
_AGAIN = 1.25


class Look(NamedTuple):
    """The ring as its feeder sees it now."""

    now_s: float
    stalled: bool
    """Messages are there, and no room for them now."""
    full: bool
    """And that is so because the ring is full."""
    lag: int
    """Messages in Kafka that were not taken yet, as of some seconds ago."""
    unclaimed: int
    """Wait in the ring for handlers."""
    executed: int
    """Verdicts that ever came back from handlers."""
    carried: int
    """Acks that ever came back from the courier."""
    carrying: int
    """Slots that wait for one."""
    paused: bool
    """Handlers are kept from taking anything."""


class Change(NamedTuple):
    """Overflow begins or ends, and why."""

    on: bool
    reason: str


class Overflow:
    """The state of one feeder's overflow."""

    def __init__(self, rule: Rule, slots: int) -> None:
        self._rule = rule
        self._slots = slots
        self._measured = Rate(_MEASURED_S)
        self._full_since_s: float | None = None
        self._carried = 0
        self._carried_s = 0.0
        self._began_s = 0.0
        self.on = False
        self.rate = 0.0
        """Messages that handlers finish in a second."""
        self.keep = 1
        """How many of the waiting messages stay with the handlers."""

    def look(self, seen: Look) -> Change | None:
        """Take in what is seen; a change, if this makes one."""
        self.rate = self._measured.note(seen.executed, seen.now_s)
        self.keep = max(1, min(int(self.rate * KEPT_S), self._slots // 2))
        if seen.carried != self._carried or not seen.carrying:
            self._carried, self._carried_s = seen.carried, seen.now_s
        if not seen.full:
            self._full_since_s = None
        elif self._full_since_s is None:
            self._full_since_s = seen.now_s
        reason = self._reason_to_end(seen) if self.on else self._reason_to_begin(seen)
        if not reason:
            return None
        self.on, self._began_s, self._full_since_s = not self.on, seen.now_s, None
        return Change(self.on, reason)

    def surplus(self, seen: Look) -> bool:
        """So much more than `keep` waits for handlers that it is worth another look at each of them."""
        return self.on and seen.unclaimed > self.keep * _AGAIN

    def full_s(self, now_s: float) -> float | None:
        """How long the ring has been full; None = it is not."""
        return None if self._full_since_s is None else now_s - self._full_since_s

    def _reason_to_begin(self, seen: Look) -> str:
        full_s = self.full_s(seen.now_s)
        if full_s is None or seen.paused or self._unconfirmed(seen):
            return ""
        if self._rule.after_s is not None and full_s >= self._rule.after_s:
            return f"the ring was full for {full_s:.1f} s"
        if self._rule.lag is not None and seen.lag >= self._rule.lag:
            return f"the ring is full and {seen.lag} messages wait in Kafka"
        return ""

    def _reason_to_end(self, seen: Look) -> str:
        if seen.paused:
            return "handlers are paused"
        if self._unconfirmed(seen):
            return f"the queues confirmed nothing for {UNCONFIRMED_S:g} s"
        if seen.now_s - self._began_s >= LEAST_S and self._caught_up(seen):
            return "handlers have caught up with what they kept"
        return ""

    def _caught_up(self, seen: Look) -> bool:
        """Half of either threshold; without one for the lag, Kafka is read but for what the ring takes."""
        lag = self._slots // 8 if self._rule.lag is None else self._rule.lag
        return not seen.stalled and seen.unclaimed <= max(1, self.keep // 2) and seen.lag <= lag // 2

    def _unconfirmed(self, seen: Look) -> bool:
        return bool(seen.carrying) and seen.now_s - self._carried_s >= UNCONFIRMED_S
