"""The herald's life: pump, pass on what is heard, count, report, sleep; until it is told to stop.

`run` is the role. Queues that are away are waited for, said now and then, and never a reason to end.
"""

import contextlib
import logging
import select

from ringmain.clock import monotonic_s, wall_ms
from ringmain.herald.sums import summed
from ringmain.lifecycle import (
    OK,
    WORD_BYTES,
    Announce,
    Booted,
    Depths,
    Expect,
    Heard,
    Quiet,
    Retire,
    Status,
    Stop,
)
from ringmain.queues.absence import Absence
from ringmain.queues.connect import connect
from ringmain.queues.contract import Away, Control
from ringmain.seat import Seat

COUNT_S = 5.0
SHARE = 20
"""A count that makes us wait comes less often: no more than one part in so many of the time is for it."""
GRACE_S = 2.0
"""A file that is busy for a moment is not away."""
MOST_UNSAID = 1000
_BEAT_S = 1.0

log = logging.getLogger(__name__)


def run(seat: Seat) -> int:
    """Speak and listen for this node, and count."""
    herald = Herald(seat, connect(seat.config).control())
    seat.link.send(Booted())
    with contextlib.closing(herald):
        while herald.goes_on():
            herald.hear()
            herald.count()
            herald.report()
            herald.sleep()
    return OK


class Herald:
    """The loop's verbs, and the little that it remembers."""

    def __init__(self, seat: Seat, control: Control) -> None:
        self._seat = seat
        self._control = control
        self._absence = Absence()
        self._unsaid: list[Heard] = []
        self._said = Status("ok")
        self._count_due_s = 0.0

    def goes_on(self) -> bool:
        """Obey; False once stopped, or without a supervisor."""
        for order in self._seat.link.receive():
            if isinstance(order, Announce):
                self._control.send(order.body)
            elif isinstance(order, Expect):
                self._control.expect(order.queues)
            elif isinstance(order, Stop | Retire):
                return False
            elif not isinstance(order, Quiet):
                log.warning("order not for a herald", extra={"order": type(order).__name__})
        return not self._seat.link.closed

    def hear(self) -> None:
        """Pass on what was said; one that is too long only as a sign that something came."""
        self._control.pump()
        heard = [Heard(body if len(body) <= WORD_BYTES else b"") for body in self._control.take()]
        self._unsaid = [*self._unsaid, *heard][-MOST_UNSAID:]
        while self._unsaid and self._seat.link.send(self._unsaid[0]):
            del self._unsaid[0]

    def count(self) -> None:
        """Begin a count when one is due, pass on what was found."""
        began_s = monotonic_s()
        if began_s >= self._count_due_s and self._control.away() is None:
            self._control.count()
            took_s = monotonic_s() - began_s
            self._count_due_s = began_s + max(COUNT_S, SHARE * took_s)
        depths = self._control.counted()
        if depths is not None:
            self._seat.link.send(Depths(summed(depths, wall_ms())))

    def report(self) -> None:
        """Beat, and say it when the queues go, stay away, or come back."""
        self._seat.board.beat(self._seat.beat)
        away, now_s = self._away(), monotonic_s()
        since_s = self._absence.since_s
        news = self._absence.news(away, now_s)
        if news == "back":
            log.info("other nodes are heard again", extra={"away_s": now_s - (since_s or now_s)})
        elif news is not None:
            log.warning("other nodes are not heard", extra={"reason": self._absence.reason})
        status = self._status(away)
        if status != self._said and self._seat.link.send(status):
            self._said = status

    def sleep(self) -> None:
        """Until an order, the queues or the next beat."""
        poll = select.poll()
        poll.register(self._seat.link.fileno(), select.POLLIN)
        number = self._control.fileno()
        if number is not None:
            poll.register(number, select.POLLIN)
        timeout_s = self._control.timeout_s()
        poll.poll(min(_BEAT_S, _BEAT_S if timeout_s is None else timeout_s) * 1000 + 1)

    def close(self) -> None:
        """Let go of the queues."""
        self._control.close()

    def _away(self) -> Away | None:
        away = self._control.away()
        young = away is not None and monotonic_s() - away.since_s < GRACE_S
        return None if young and self._absence.since_s is None else away

    def _status(self, away: Away | None) -> Status:
        """A right that is missing is told to the supervisor, who says it once for all who are refused."""
        if away is not None:
            return Status("unreachable", away.reason)
        unheard = self._control.unheard()
        return Status("refused", unheard.reason) if unheard else Status("ok")
