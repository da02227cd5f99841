"""Parcels between the rings and the queues' confirm: everything that the courier has in its hands.

The loop enters: collect, send, settle. LOSS: a parcel is acked to its ring only with a confirmed ticket; one
whose ticket is lost is published again, and may then be there twice. All that is held is bounded.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from ringmain.courier import letters
from ringmain.courier.letters import Desk, Letter, Parcel
from ringmain.queues.contract import Publisher, Ticket

HELD_BYTES = 64 << 20
_STEP = 256
_STEP_BYTES = 8 << 20


class Side(Protocol):
    """A pool's ring as its courier sees it; acks are asked only for parcels that it handed out."""

    def take(self, limit: int) -> Sequence[Parcel]: ...
    def ack(self, parcels: list[Any]) -> None: ...


class Carried(NamedTuple):
    """A parcel on its way, with its letter."""

    pool: str
    parcel: Parcel
    letter: Letter

    @property
    def size_bytes(self) -> int:
        """Roughly what it holds in memory."""
        return len(self.parcel.value or b"") + len(self.parcel.key or b"") + 1024


class Post:
    """The parcels of all pools; single-threaded, in nobody else's hands."""

    def __init__(self, publisher: Publisher, sides: Mapping[str, Side], desks: Mapping[str, Desk]) -> None:
        self._publisher = publisher
        self._sides = dict(sides)
        self._desks = dict(desks)
        self._turn = deque(self._sides)
        self._waiting: deque[Carried] = deque()
        self._in_flight: dict[Ticket, Carried] = {}
        self._held_bytes = 0
        self._step = 16
        self.published_again = 0

    @property
    def held(self) -> int:
        """Parcels taken from rings and not yet acked."""
        return len(self._waiting) + len(self._in_flight)

    def can_send(self) -> bool:
        """Is there something to publish, and room for it?"""
        return bool(self._waiting) and self._publisher.room() > 0

    def wants(self) -> bool:
        """Is there room for another parcel?"""
        return self._publisher.room() > len(self._waiting) and self._held_bytes < HELD_BYTES

    def collect(self, now_ms: int) -> int:
        """Take parcels while there is room, from the pools in turn; how many."""
        collected, empty = 0, 0
        while empty < len(self._turn) and self.wants():
            taken = self._collect_from(self._turn[0], now_ms)
            self._turn.rotate(-1)
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

    def settle(self) -> None:
        """Ack the confirmed, keep the lost for another time, turn the refused into bare dead entries."""
        confirmed, lost, refused = self._publisher.settled()
        self._ack([self._in_flight.pop(ticket) for ticket in confirmed])
        self.published_again += len(lost)
        self._waiting.extendleft(self._in_flight.pop(ticket) for ticket in reversed(lost))
        for ticket, reason in refused:
            carried = self._in_flight.pop(ticket)
            self._waiting.append(carried._replace(letter=letters.refused(carried.letter, reason)))

    def _collect_from(self, pool: str, now_ms: int) -> int:
        limit = min(self._step, self._publisher.room() - len(self._waiting))
        parcels = self._sides[pool].take(limit)
        desk = self._desks[pool]
        taken = [Carried(pool, parcel, letters.write(desk, parcel, now_ms)) for parcel in parcels]
        self._waiting.extend(taken)
        if taken:
            self._held_bytes += sum(carried.size_bytes for carried in taken)
            largest_bytes = max(carried.size_bytes for carried in taken)
            self._step = max(1, min(_STEP, _STEP_BYTES // largest_bytes))
        return len(taken)

    def _ack(self, settled: list[Carried]) -> None:
        self._held_bytes -= sum(carried.size_bytes for carried in settled)
        by_pool: dict[str, list[Parcel]] = {}
        for carried in settled:
            by_pool.setdefault(carried.pool, []).append(carried.parcel)
        for pool, parcels in by_pool.items():
            self._sides[pool].ack(parcels)
