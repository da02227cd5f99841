"""Overflow carried out: a Kafka feeder's ring watched, its intake switched, what waits too long diverted.

The Kafka source enters at each turn of its loop. What to do is overflow.py's to say; here it is done and told
in the log, one line at each change. A route without overflow has no Diverter and pays nothing.
"""

import logging
from collections.abc import Callable

from ringmain.config.schema import Overflow as Rule
from ringmain.config.schema import Route
from ringmain.feed.overflow import Change, Look, Overflow
from ringmain.feed.rate import Rate
from ringmain.queues.frames import FRAME_BYTES, MESSAGES
from ringmain.rings import FeederSide, Intake, courier_is_greeted
from ringmain.seat import Seat
from ringmain.verdict import OVERFLOW

LOOK_S = 0.05
LATELY_S = 60.0
_FRAME_S = 60.0
_LEAST_IN_FRAME = 16
_HELD_S = 600.0
"""LOSS: RabbitMQ takes back what is held for half an hour (consumer_timeout); two frames are held at once.
One that takes longer would be acked in vain and come again as a whole, for ever."""
_FULL_RATIO = 0.75

_log = logging.getLogger(__name__)


class Diverter:
    """One feeder's overflow."""

    def __init__(self, rule: Rule, side: FeederSide, intake: Intake, slots: int) -> None:
        self._side = side
        self._intake = intake
        self._slots = slots
        self._policy = Overflow(rule, slots)
        self._lately = Rate(_HELD_S)
        self._handled = 0.0
        self._looked_s = -LOOK_S
        self._began_s = 0.0
        self._ended_s: float | None = None
        self._sent_before = 0

    @property
    def on(self) -> bool:
        """Messages go to the queues now."""
        return self._policy.on

    @property
    def was_on(self) -> bool:
        """Some went lately: there may be older ones in the ring."""
        return self._policy.on or (self._ended_s is not None and self._looked_s - self._ended_s < LATELY_S)

    def watch(self, now_s: float, stalled: bool, lag: Callable[[], int]) -> None:
        """Look at the ring when it is time, and act."""
        if now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        seen = self._seen(now_s, stalled, lag)
        self._handled = self._lately.note(seen.executed, now_s)
        change = self._policy.look(seen)
        if change is not None:
            self._switch(change, seen)
        if self._policy.on:
            self._side.limit_frames(self._in_a_frame())
        if change is not None or self._policy.surplus(seen):
            self._divert()

    def _seen(self, now_s: float, stalled: bool, lag: Callable[[], int]) -> Look:
        executed, carried = self._side.progress
        return Look(
            now_s=now_s,
            stalled=stalled,
            # What was sent before a courier has begun is sent to it again.
            full=stalled and self._side.used_ratio >= _FULL_RATIO and courier_is_greeted(self._side),
            lag=lag(),
            unclaimed=self._side.unclaimed,
            executed=executed,
            carried=carried,
            carrying=self._side.waiting_for_courier,
            paused=self._side.paused,
        )

    def _switch(self, change: Change, seen: Look) -> None:
        """ORDER: the intake first: what is placed from here on is not in the way of what is diverted."""
        self._intake.straight(OVERFLOW if change.on else 0, limit_bytes=FRAME_BYTES)
        counts = {"lag": seen.lag, "waiting": seen.unclaimed, "kept": self._policy.keep}
        if change.on:
            self._began_s, self._sent_before = seen.now_s, seen.carried
            _log.warning("overflow begins", extra={"reason": change.reason, **counts})
        else:
            self._ended_s = seen.now_s
            lasted = {"seconds": round(seen.now_s - self._began_s, 3)}
            sent = {"confirmed": seen.carried - self._sent_before, "unconfirmed": seen.carrying}
            _log.info("overflow ends", extra={"reason": change.reason, **counts, **sent, **lasted})

    def _in_a_frame(self) -> int:
        """What handlers finish in about a minute: a frame is held, and repeated after a crash, as a whole."""
        least = max(1, min(_LEAST_IN_FRAME, int(self._handled * _HELD_S)))
        return max(least, min(MESSAGES, int(self._policy.rate * _FRAME_S)))

    def _divert(self) -> None:
        """With queues that confirm nothing handlers still have a quarter of the ring.

        More than the half that new messages may take: else what waits here would wait behind all of those.
        """
        if self._policy.on:
            most = max(0, self._slots * 3 // 4 - self._side.waiting_for_courier)
            self._side.divert(self._policy.keep, most, FRAME_BYTES)


def diverter(seat: Seat, route: Route, side: FeederSide, intake: Intake) -> Diverter | None:
    """PERF: None for a route without overflow."""
    if route.overflow is None:
        return None
    return Diverter(route.overflow, side, intake, seat.segments[seat.pool].geometry.slots)
