"""The courier's life: collect, send, settle, report, sleep; until it is told to stop and has empty hands.

`run` is the role. Queues that are away are waited for, said now and then, and never a reason to end.
"""

import contextlib
import logging
import select
from collections.abc import Collection, Mapping

from ringmain.clock import monotonic_s, wall_ms
from ringmain.config.pools import place_of, pools
from ringmain.config.schema import Retry
from ringmain.courier.letters import Desk
from ringmain.courier.post import Post
from ringmain.lifecycle import OK, Booted, Declared, Quiet, Retire, Status, Stop
from ringmain.queues.absence import Absence
from ringmain.queues.connect import connect
from ringmain.queues.contract import Away, Publisher
from ringmain.rings import CourierSide
from ringmain.seat import Seat

_BEAT_S = 1.0
_LINGER_S = 0.04
_FEW = 64
"""PERF: after so few the courier rests a moment, so that what fails next goes together: a wake for each, and
a write for each in RabbitMQ, would cost the handlers more than the failed call. Where an order is kept the
next message waits for the confirm: there is no rest.
"""

log = logging.getLogger(__name__)


def run(seat: Seat) -> int:
    """Carry verdicts of every pool to the queues."""
    courier = Courier(seat, connect(seat.config).publisher())
    seat.link.send(Booted())
    with contextlib.closing(courier):
        while courier.goes_on():
            courier.collect()
            courier.send()
            courier.settle()
            courier.report()
            courier.sleep()
    return OK


class Courier:
    """The loop's verbs, and the little that it remembers."""

    def __init__(self, seat: Seat, publisher: Publisher) -> None:
        self._seat = seat
        self._publisher = publisher
        self._sides = {
            pool: segment.open_courier(seat.incarnation) for pool, segment in seat.segments.items()
        }
        self._post = Post(publisher, self._sides, _desks(seat, publisher.limit_bytes))
        self._absence = Absence()
        self._said = Status("ok")
        self._deadline_s: float | None = None
        self._was_idle = False
        self._collected = 0
        self._in_order = {pool.key for pool in pools(seat.config) if pool.settings.order != "none"}
        self._hands_over = False
        """LOSS: none: what it has not collected is its follower's. What it has must not be sent by both."""

    def goes_on(self) -> bool:
        """False once stopped with empty hands, past the deadline, or without a supervisor."""
        for order in self._seat.link.receive():
            if isinstance(order, Stop):
                self._deadline_s, self._was_idle, self._hands_over = order.deadline_s, False, False
            elif isinstance(order, Retire):
                self._deadline_s, self._hands_over = order.deadline_s, True
            elif not isinstance(order, Quiet):
                log.warning("order not for a courier", extra={"order": type(order).__name__})
        if self._seat.link.closed:
            return False
        if self._is_done():
            return False
        if self._deadline_s is not None and monotonic_s() >= self._deadline_s:
            log.warning("stopped before all was carried", extra={"parcels": self._post.held})
            return False
        return True

    def collect(self) -> None:
        """Take what the rings hold, as far as the queues want it."""
        if self._hands_over:
            return
        could_ask = len(self._post.open_pools()) == len(self._sides)
        self._collected = self._post.collect(wall_ms())
        self._was_idle = self._collected == 0 and could_ask

    def send(self) -> None:
        """Publish."""
        self._post.send()

    def settle(self) -> None:
        """Ack what is confirmed."""
        self._post.settle(wall_ms())

    def report(self) -> None:
        """Beat, and say it when the queues go, stay away, or come back."""
        self._seat.board.beat(self._seat.beat)
        away = self._publisher.away()
        status = _status(away)
        if status != self._said and self._seat.link.send(status):
            self._said = status
        away = None if away and away.refused else away  # one for all who are refused: the supervisor says it
        since_s = self._absence.since_s
        news = self._absence.news(away, monotonic_s())
        if news == "back":
            away_s = monotonic_s() - (since_s or 0.0)
            log.info(
                "queues are back", extra={"away_s": away_s, "published_again": self._post.published_again}
            )
        elif news is not None:
            event = "queues are away" if news == "gone" else "queues are still away"
            log.warning(event, extra={"reason": self._absence.reason, "waiting": self._post.held})
        if made := self._publisher.made():
            self._seat.link.send(Declared(made))

    def sleep(self) -> None:
        """Until a parcel, an order, the queues or the next beat; without room a parcel does not wake."""
        wanted = [] if self._hands_over else [self._sides[pool] for pool in self._post.open_pools()]
        if self._post.can_send() or ((wanted or self._hands_over) and self._is_stopping_with_empty_hands()):
            return
        if 0 < self._collected < _FEW and self._deadline_s is None and self._may_linger():
            self._linger()
            return
        if not self._prepare_sleep(wanted):
            return
        poll = select.poll()
        poll.register(self._seat.link.fileno(), select.POLLIN)
        for fd in {side.fileno() for side in wanted}:
            poll.register(fd, select.POLLIN)
        publisher_fd = self._publisher.fileno()
        if publisher_fd is not None:
            poll.register(publisher_fd, select.POLLIN)
        poll.poll(self._timeout_s() * 1000)
        self._awake(wanted)

    def _may_linger(self) -> bool:
        return self._in_order.isdisjoint(self._post.taken_from)

    def _linger(self) -> None:
        """Deaf to the rings: their bells are not set, so nobody spends a wake on us."""
        poll = select.poll()
        poll.register(self._seat.link.fileno(), select.POLLIN)
        poll.poll(_LINGER_S * 1000)

    def close(self) -> None:
        """Let go of the queues; the rings go with the process."""
        self._publisher.close()

    def _timeout_s(self) -> float:
        timeout_s = self._publisher.timeout_s()
        left_s = _BEAT_S if self._deadline_s is None else max(0.0, self._deadline_s - monotonic_s())
        return min(_BEAT_S, left_s, _BEAT_S if timeout_s is None else timeout_s)

    def _is_done(self) -> bool:
        if not self._is_stopping_with_empty_hands():
            return False
        return self._hands_over or self._was_idle or self._nothing_waits()

    def _nothing_waits(self) -> bool:
        """Queues that are away want nothing, so nothing is collected: the rings tell whether there is any."""
        nothing = self._prepare_sleep(self._sides.values())
        self._awake(self._sides.values())
        return nothing

    def _is_stopping_with_empty_hands(self) -> bool:
        return self._deadline_s is not None and not self._post.held

    def _prepare_sleep(self, sides: Collection[CourierSide]) -> bool:
        """ORDER: every ring must agree after its sleeping bit is set, or one parcel would be slept over."""
        if all([side.prepare_sleep() for side in sides]):
            return True
        self._awake(sides)
        return False

    def _awake(self, sides: Collection[CourierSide]) -> None:
        for side in sides:
            side.awake()


def _status(away: Away | None) -> Status:
    if away is None:
        return Status("ok")
    return Status("refused" if away.refused else "unreachable", away.reason)


def _desks(seat: Seat, limit_bytes: int) -> Mapping[str, Desk]:
    return {key: _desk(seat, key, limit_bytes) for key in seat.segments}


def _desk(seat: Seat, key: str, limit_bytes: int) -> Desk:
    """LOSS: verdicts may be left in the ring of a pool that the config has no more: they are carried, too."""
    route, channel = place_of(key)
    settings = next((pool.settings for pool in pools(seat.config) if pool.key == key), None)
    return Desk(
        app=seat.config.name,
        route=route,
        node=seat.config.node,
        policy=settings.retry if settings else Retry(),
        limit_bytes=limit_bytes,
        channel=channel,
        channels=frozenset(settings.channels) if settings else frozenset(),
    )
