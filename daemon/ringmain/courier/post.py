"""Parcels between the rings and the queues' confirm: everything that the courier has in its hands.

The loop enters: collect, send, settle. LOSS: a parcel is acked to its ring only with a confirmed ticket; one
whose ticket is lost is published again, and may then be there twice. All that is held is bounded.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from ringmain.courier import letters
from ringmain.courier.letters import Bundle, Desk, Frame, Letter, Parcel
from ringmain.queues.contract import Publisher, Ticket
from ringmain.queues.envelope import Envelope

HELD_BYTES = 64 << 20
_STEP = 256
_STEP_BYTES = 8 << 20
_EACH = 1024
"""What a letter takes in memory beside its bytes, roughly."""


class Side(Protocol):
    """A pool's ring as its courier sees it; acks are asked only for parcels that it handed out."""

    def take(self, limit: int) -> Sequence[Parcel]: ...
    def take_frame(self) -> Frame | None: ...
    def ack(self, parcels: list[Any]) -> None: ...


@dataclass(slots=True)
class Held:
    """What is in hand of one pool."""

    letters: int = 0
    size_bytes: int = 0


@dataclass(slots=True)
class Share:
    """A frame that travels in several letters; acked with the last of them."""

    frame: Any
    left: int


class Carried(NamedTuple):
    """A parcel or a frame on its way, with its letter."""

    pool: str
    parcel: Parcel | Frame | Share
    letter: Letter | Bundle
    size_bytes: int
    """Roughly what it holds in memory."""


class Post:
    """The parcels of all pools; single-threaded, in nobody else's hands."""

    def __init__(self, publisher: Publisher, sides: Mapping[str, Side], desks: Mapping[str, Desk]) -> None:
        self._publisher = publisher
        self._sides = dict(sides)
        self._desks = dict(desks)
        self._turn = deque(self._sides)
        self._waiting: deque[Carried] = deque()
        self._in_flight: dict[Ticket, Carried] = {}
        self._held = {pool: Held() for pool in self._sides}
        self._step = 16
        self.published_again = 0
        self.taken_from: set[str] = set()
        """The pools of which the last collect() took anything."""

    @property
    def held(self) -> int:
        """Parcels taken from rings and not yet acked."""
        return len(self._waiting) + len(self._in_flight)

    def can_send(self) -> bool:
        """Is there something to publish, and room for it?"""
        return bool(self._waiting) and self._publisher.room() > 0

    def open_pools(self) -> list[str]:
        """Those from which another parcel is wanted now."""
        return [pool for pool in self._sides if self._room_of(pool)]

    def collect(self, now_ms: int) -> int:
        """Take parcels while there is room, from the pools in turn; how many."""
        collected, empty = 0, 0
        self.taken_from.clear()
        while empty < len(self._turn):
            pool = self._turn[0]
            room = self._room_of(pool)
            taken = self._collect_from(pool, room, now_ms) if room else 0
            self._turn.rotate(-1)
            if taken:
                self.taken_from.add(pool)
            collected += taken
            empty = 0 if taken else empty + 1
        return collected

    def send(self) -> None:
        """Publish what waits, as far as the queues want it."""
        batch = [self._waiting.popleft() for _ in range(min(self._publisher.room(), len(self._waiting)))]
        if batch:
            tickets = self._publisher.publish([carried.letter for carried in batch])
            self._in_flight.update(zip(tickets, batch, strict=True))
        self._publisher.pump()

    def settle(self, now_ms: int) -> None:
        """Ack the confirmed, keep the lost for another time, turn the refused into bare dead entries."""
        confirmed, lost, refused = self._publisher.settled()
        self._ack([self._in_flight.pop(ticket) for ticket in confirmed])
        self.published_again += len(lost)
        self._waiting.extendleft(self._in_flight.pop(ticket) for ticket in reversed(lost))
        for ticket, reason in refused:
            self._write_again(self._in_flight.pop(ticket), reason, now_ms)

    def _write_again(self, carried: Carried, reason: str, now_ms: int) -> None:
        """LOSS: a frame that is refused is no reason to lose what is in it: each message goes for itself."""
        if isinstance(carried.letter, Letter):
            bare = letters.refused(self._desks[carried.pool], carried.letter, reason, now_ms)
            self._waiting.append(carried._replace(letter=bare))
            return
        written = letters.opened(carried.letter)
        share = Share(carried.parcel, len(written))
        self._let_go(carried)
        self._keep([Carried(carried.pool, share, letter, _size(letter.envelope)) for letter in written])

    def _room_of(self, pool: str) -> int:
        """How many letters more of this pool.

        None holds more than what is left for all others: a queue that confirms nothing stops its pool alone.
        """
        letters = self._publisher.room() - len(self._waiting)
        size_bytes = HELD_BYTES - sum(held.size_bytes for held in self._held.values())
        if letters <= 0 or size_bytes <= 0:
            return 0
        held = self._held[pool]
        if len(self._held) == 1:
            return letters
        if held.letters > letters or held.size_bytes > size_bytes:
            return 0
        return (letters - held.letters) // 2 + 1

    def _collect_from(self, pool: str, room: int, now_ms: int) -> int:
        limit = min(self._step, room)
        desk = self._desks[pool]
        taken = [
            Carried(pool, parcel, letters.write(desk, parcel, now_ms), _size(parcel))
            for parcel in self._sides[pool].take(limit)
        ]
        self._keep(taken)
        if taken:
            largest_bytes = max(carried.size_bytes for carried in taken)
            self._step = max(1, min(_STEP, _STEP_BYTES // largest_bytes))
        return len(taken) + self._collect_frame(pool)

    def _collect_frame(self, pool: str) -> int:
        frame = self._sides[pool].take_frame() if self._room_of(pool) else None
        if frame is None:
            return 0
        self._keep([Carried(pool, frame, letters.bundle(self._desks[pool], frame), len(frame.body) + _EACH)])
        return frame.messages

    def _keep(self, taken: list[Carried]) -> None:
        self._waiting.extend(taken)
        for carried in taken:
            held = self._held[carried.pool]
            held.letters += 1
            held.size_bytes += carried.size_bytes

    def _let_go(self, carried: Carried) -> None:
        held = self._held[carried.pool]
        held.letters -= 1
        held.size_bytes -= carried.size_bytes

    def _ack(self, settled: list[Carried]) -> None:
        by_pool: dict[str, list[Parcel | Frame]] = {}
        for carried in settled:
            self._let_go(carried)
            if (parcel := _whole(carried.parcel)) is not None:
                by_pool.setdefault(carried.pool, []).append(parcel)
        for pool, parcels in by_pool.items():
            self._sides[pool].ack(parcels)


def _whole(parcel: Parcel | Frame | Share) -> Any:
    """What may be acked now: None for a frame of which letters are still under way."""
    if not isinstance(parcel, Share):
        return parcel
    parcel.left -= 1
    return None if parcel.left else parcel.frame


def _size(message: Parcel | Envelope) -> int:
    return len(message.value or b"") + len(message.key or b"") + _EACH
