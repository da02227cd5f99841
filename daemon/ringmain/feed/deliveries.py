"""The queue source of a feeder: retries that are due come back into the ring, acked when they are settled.

The loop enters by the Source protocol. A delivery is acked only when its message is settled; what is not
begun when the feeder leaves is given back. Nothing is decoded here: the value goes into the ring as it came.
"""

from ringmain import clock
from ringmain.config.pools import pool_of
from ringmain.feed.loop import BEAT_S, OVERSIZE, Feeder
from ringmain.queues import names
from ringmain.queues.connect import connect
from ringmain.queues.contract import Delivery
from ringmain.queues.envelope import encode_meta, meta_of
from ringmain.rings import FeederSide, FeederTerms, pack_headers
from ringmain.seat import Seat

_AT_ONCE = 512
_WINDOW = 64
"""Queue deliveries have tags instead of offsets; the ring's windows stay as small as they can be."""


def run_over_queues(seat: Seat) -> int:
    """A feeder over the ready queue of a route or a channel."""
    terms = FeederTerms(commit_window=_WINDOW, tagged=True)
    side = seat.segments[seat.pool].open_feeder(seat.index, seat.incarnation, terms)
    feeder = Feeder(seat, pool_of(seat.config, seat.pool).settings, side)
    return feeder.run(Deliveries(seat, side))


class Deliveries:
    """What this feeder holds of its pool's queues."""

    def __init__(self, seat: Seat, side: FeederSide) -> None:
        self._side = side
        self._taker = connect(seat.config).taker([names.ready(seat.config.name, seat.route, seat.channel)])
        self._pending: list[Delivery] = []
        self._opened: set[int] = set()
        self._quiet = False
        self._learns_limit = "stream-worker" in seat.config.modes

    def take(self) -> bool:
        """Place what was taken earlier and did not fit, then take more."""
        self._taker.pump()
        if self._quiet:
            return False
        room = min(_AT_ONCE, self._side.room) - len(self._pending)
        if room > 0:
            self._pending += self._taker.take(room)
        placed = self._place_pending()
        return placed > 0 and not self._pending

    def _place_pending(self) -> int:
        placed = 0
        for delivery in self._pending:
            if not self._place(delivery):
                break
            placed += 1
        self._pending = self._pending[placed:]
        self._side.flush()
        return placed

    def _place(self, delivery: Delivery) -> bool:
        message = delivery.envelope
        index = self._side.partition_index(message.topic, message.partition)
        if index not in self._opened:
            self._opened.add(index)
            self._side.open_partition(index, 0)
        try:
            return self._side.place(
                index,
                message.offset,
                message.value,
                key=message.key,
                headers=pack_headers(message.headers),
                timestamp_ms=message.timestamp_ms,
                attempt=message.attempt,
                crashes=message.crashes,
                meta=encode_meta(meta_of(message)),
                tag=delivery.tag,
                oversize_failure=None if self._arena_may_grow() else OVERSIZE,
            )
        except OverflowError:
            return False  # it waits until its size can be judged

    def _arena_may_grow(self) -> bool:
        """The topics' own limit is still to come: what is too large now may yet have its place."""
        return self._learns_limit and not self._side.knows_message_limit

    def stalled(self) -> bool:
        """Messages were taken, and there is no room for them."""
        return bool(self._pending)

    def commit(self) -> None:
        """Ack what is settled, at once: the queue file batches."""
        if tags := self._side.take_tags():
            self._taker.ack(tags)

    def timeout_s(self) -> float:
        """Until the next message is due."""
        timeout_s = self._taker.timeout_s()
        if self._quiet or self._pending or timeout_s is None:
            return BEAT_S
        return timeout_s

    def fds(self) -> list[int]:
        """What wakes us when something was published."""
        fd = self._taker.fileno()
        return [] if fd is None or self._quiet else [fd]

    def quiet(self) -> None:
        """Take nothing more; what has no place in the ring yet is others' at once."""
        self._quiet = True
        self._taker.give_back([delivery.tag for delivery in self._pending])
        self._pending = []
        self._taker.pump()

    def retire(self) -> None:
        """The same: what is not begun goes back."""
        self.quiet()

    def leave(self, deadline_s: float) -> bool:
        """Withdraw what nobody began; True = what was begun is settled, or the deadline has passed."""
        for index in self._opened:
            self._side.withdraw(index)
        return self._side.busy == 0 or clock.monotonic_s() >= deadline_s

    def close(self) -> None:
        """Ack the last ones; the taker's end gives back what is still held."""
        self.commit()
        self._taker.close()

    def problem(self) -> str:
        """Why the queues cannot be used."""
        away = self._taker.away()
        return away.reason if away else ""
