"""The queue source of a feeder: retries that are due and what had overflowed come back into the ring.

The loop enters by the Source protocol. A delivery is acked only when all of its messages are settled; what is
not begun when the feeder leaves is given back, and of a frame that was begun the rest goes into a new one.
Nothing is decoded here but frames: a value goes into the ring as it came.
"""

from ringmain import clock
from ringmain.config.pools import pool_of
from ringmain.feed.hand import Hand, Piece, failure_of
from ringmain.feed.inbox import AT_ONCE, Inbox
from ringmain.feed.loop import BEAT_S, OVERSIZE, Feeder
from ringmain.feed.pace import Pace
from ringmain.lifecycle import Paused, Seek, Sought
from ringmain.queues import frames, names
from ringmain.queues.connect import connect
from ringmain.queues.contract import Away
from ringmain.queues.envelope import Envelope, Foreign, encode_meta, meta_of
from ringmain.rings import FeederSide, FeederTerms, courier_is_greeted, pack_headers
from ringmain.seat import Seat
from ringmain.verdict import CHANNEL, DEAD, OVERFLOW, encode, to_channel

_WINDOW = 64
"""Queue deliveries have tags instead of offsets; the ring's windows stay as small as they can be."""
_NOWHERE = ("", -1)
"""The topic and partition of what never was in Kafka."""


def run_over_queues(seat: Seat) -> int:
    """A feeder over the queues of a route or a channel."""
    terms = FeederTerms(commit_window=_WINDOW, tagged=True)
    side = seat.segments[seat.pool].open_feeder(seat.index, seat.incarnation, terms)
    feeder = Feeder(seat, pool_of(seat.config, seat.pool).settings, side)
    return feeder.run(Deliveries(seat, side))


class Deliveries:
    """What this feeder holds of its pool's queues."""

    def __init__(self, seat: Seat, side: FeederSide) -> None:
        self._side = side
        self._inboxes = _inboxes(seat)
        self._overflows = len(self._inboxes) > 1
        self._pace = Pace()
        self._hurried_s = 0.0
        self._opened: set[int] = set()
        self._nowhere = self._index(*_NOWHERE)
        self._quiet = False
        self._learns_limit = "stream-worker" in seat.config.modes
        self._through = _through(seat)

    def take(self) -> bool:
        """Place what was taken earlier and did not fit, then take more; each queue in its turn."""
        placed = 0
        for inbox in self._inboxes:
            inbox.taker.pump()
        if not self._quiet:
            allowed = self._pace.allowed(self._side.progress[0], clock.monotonic_s()) // len(self._inboxes)
            for inbox in self._inboxes:
                inbox.fetch(allowed, self._side.room)
            self._hurry(allowed)
        share = max(1, min(AT_ONCE, self._side.room // len(self._inboxes)))
        for inbox in self._inboxes:
            placed += inbox.place(self._send_on if self._quiet else self._place, share)
        self._inboxes.reverse()
        self._side.flush()
        return placed > 0 and not (self._quiet or self.stalled())

    def _hurry(self, allowed: int) -> None:
        """A batch that waits for more than may be in hand would wait all its time for nothing."""
        now_s = clock.monotonic_s()
        if now_s - self._hurried_s >= BEAT_S and any(box.hand.messages >= allowed for box in self._inboxes):
            self._hurried_s = now_s
            self._side.hurry_gatherers()

    def _place(self, piece: Piece) -> bool:
        if isinstance(piece.message, Foreign):
            return self._refuse(piece.number, piece.message)
        if self._through[0] and not courier_is_greeted(self._side):
            return False  # the courier would get it twice
        return self._put(piece.number, piece.message, *self._through)

    def _send_on(self, piece: Piece) -> bool:
        """What is left of a frame that was begun: into a new one, so that a stop repeats nothing."""
        if isinstance(piece.message, Foreign):
            return self._refuse(piece.number, piece.message)
        return self._put(piece.number, piece.message, OVERFLOW)

    def _put(self, number: int, message: Envelope, verdict: int = 0, detail: bytes = b"") -> bool:
        try:
            index = self._index(message.topic, message.partition)
        except IndexError as error:  # LOSS: or it would kill every feeder that takes it
            return self._refuse(number, Foreign(message.value or b"", message.headers, str(error)))
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
                tag=number,
                oversize_failure=None if self._arena_may_grow() else OVERSIZE,
                verdict=verdict,
                detail=detail,
            )
        except OverflowError:
            return False  # it waits until its size can be judged

    def _refuse(self, number: int, foreign: Foreign) -> bool:
        """LOSS: none of ours, but somebody's: to the dead set as it is."""
        if not courier_is_greeted(self._side):
            return False
        headers = pack_headers(foreign.headers)
        reason = failure_of(foreign)
        return self._side.place(
            self._nowhere, -1, foreign.body, headers=headers, tag=number, verdict=DEAD, detail=reason
        )

    def _index(self, topic: str, partition: int) -> int:
        index = self._side.partition_index(topic, partition)
        if index not in self._opened:
            self._opened.add(index)
            self._side.open_partition(index, 0)
        return index

    def _arena_may_grow(self) -> bool:
        """The topics' own limit is still to come: what is too large now may yet have its place."""
        return self._learns_limit and not self._side.knows_message_limit

    def stalled(self) -> bool:
        """Messages were taken, and there is no room for them."""
        return any(inbox.pending for inbox in self._inboxes)

    def commit(self) -> None:
        """Ack what is settled, at once: the queue file batches."""
        if numbers := self._side.take_tags():
            for inbox in self._inboxes:
                inbox.settle(numbers)

    def timeout_s(self) -> float:
        """Until the next message is due."""
        if self._quiet or self.stalled():
            return BEAT_S
        waits = [inbox.taker.timeout_s() for inbox in self._inboxes]
        return min((wait_s for wait_s in waits if wait_s is not None), default=BEAT_S)

    def fds(self) -> list[int]:
        """What wakes us when something was published."""
        fds = [] if self._quiet else [inbox.taker.fileno() for inbox in self._inboxes]
        return [fd for fd in fds if fd is not None]

    def quiet(self) -> None:
        """Take nothing more; what has no place in the ring yet is others' at once."""
        self._quiet = True
        for inbox in self._inboxes:
            inbox.give_back()

    def pause(self, paused: Paused) -> None:
        """Nothing here is of a partition: who pauses the queues sends this feeder away."""

    def seek(self, order: Seek) -> Sought:
        """A queue has one end only."""
        return Sought(order.topic, order.partition, reason="a queue cannot be read on from elsewhere")

    def retire(self) -> None:
        """The same: what is not begun goes back."""
        self.quiet()

    def leave(self, deadline_s: float) -> bool:
        """Withdraw what nobody began; True = what was begun is settled, or the deadline has passed."""
        self.take()
        for index in self._opened:
            self._side.withdraw(index, frames.FRAME_BYTES if self._overflows else 0)
        out_of_reach = self._side.busy or self.stalled()
        return not out_of_reach or clock.monotonic_s() >= deadline_s

    def close(self) -> None:
        """Ack the last ones; the taker's end gives back what is still held."""
        self.commit()
        for inbox in self._inboxes:
            inbox.taker.close()

    def problem(self) -> str:
        """Why the queues cannot be used."""
        away = self._away()
        return away.reason if away else ""

    def refused(self) -> bool:
        """They are there, and not as they should be."""
        away = self._away()
        return away is not None and away.refused

    def _away(self) -> Away | None:
        return next((away for inbox in self._inboxes if (away := inbox.taker.away())), None)


def _through(seat: Seat) -> tuple[int, bytes]:
    """Where all goes on at once: into the channel of a route that the app has no function for."""
    channel = "" if seat.channel else pool_of(seat.config, seat.pool).settings.through
    return (CHANNEL, encode(to_channel(channel))) if channel and not seat.handled else (0, b"")


def _inboxes(seat: Seat) -> list[Inbox]:
    """Ready, and of a route itself what had overflowed, also when the config says no more of overflow."""
    app, queues = seat.config.name, connect(seat.config)
    ready = queues.taker([names.ready(app, seat.route, seat.channel)])
    if seat.channel:
        return [Inbox(ready, Hand(0, 1), 1)]
    overflow = queues.taker([names.overflow(app, seat.route)])
    return [Inbox(ready, Hand(0, 2), 1), Inbox(overflow, Hand(1, 2), frames.MESSAGES)]
