"""A route's shared memory and its doorbells.

The supervisor creates a Segment before forking and inherits it to every child; nothing has a name, so nothing
can be left behind. Each role maps its own side after the fork, and no side outlives its process.
"""

import os
from dataclasses import dataclass

from ringmain._fastpath import CourierSide, FeederSide, HandlerSide, Overseer, Ring

_ANNEX_BYTES = 1 << 31
"""Room of one message that is larger than the arena: Kafka's own limit of a value."""

_ARENA_ROOM_BYTES = 256 << 20
"""Address space of an arena: enough for topics with messages up to 64 MiB."""

SPARE_SEATS = 8
"""Handlers' seats beyond the largest pool: a dead one's is not free at once, a follower sits beside it."""
_LEAST_POOL = 64
ORDERS = {"none": 0, "key": 1, "partition": 2}


@dataclass(frozen=True, slots=True)
class Geometry:
    """How much of everything a segment has room for; unused room costs address space only."""

    feeders: int
    handlers: int
    slots: int = 8192
    arena_bytes: int = 16 << 20
    block_bytes: int = 256
    arena_room_bytes: int = 0
    """How far an arena may grow when the topics take larger messages; 0 = not at all."""

    @classmethod
    def for_pool(cls, feeders: int, handlers: int, messages: int, arena_bytes: int) -> "Geometry":
        """Room for twice the pool, or what one is likely ever to be scaled to, and some spare seats."""
        slots = max(16, 1 << (messages - 1).bit_length())
        return cls(
            feeders=max(2 * feeders, 16),
            handlers=min(max(2 * handlers, _LEAST_POOL) + SPARE_SEATS, 1024),
            slots=slots,
            arena_bytes=arena_bytes,
            block_bytes=_block_bytes(arena_bytes, slots),
            arena_room_bytes=max(4 * arena_bytes, _ARENA_ROOM_BYTES),
        )


@dataclass(frozen=True, slots=True)
class FeederTerms:
    """What a feeder asks of its ring: see `FeederSide`."""

    order: str = "none"
    run_limit: int = 1
    commit_window: int = 1_000_000
    tagged: bool = False
    courier_share: bool = False


def bell() -> int:
    """An eventfd that never blocks: the courier's doorbell, shared by all segments of a node."""
    return os.eventfd(0, os.EFD_NONBLOCK)


class Segment:
    """One route's memory: made by the supervisor, opened by each of its children as what they are."""

    def __init__(self, geometry: Geometry, courier_bell: int) -> None:
        self.geometry = geometry
        shape = (
            geometry.feeders,
            geometry.handlers,
            geometry.slots,
            geometry.block_bytes,
            max(geometry.arena_bytes, geometry.arena_room_bytes),
        )
        made: list[int] = []
        try:
            made.append(os.memfd_create("ringmain-ring"))
            os.ftruncate(made[0], Ring.room(*shape))
            Ring.format(made[0], *shape, geometry.arena_bytes)
            made.append(os.memfd_create("ringmain-annex"))
            os.ftruncate(made[1], geometry.feeders * _ANNEX_BYTES)
            for _ in range(geometry.feeders + geometry.handlers):
                made.append(bell())
        except OSError:
            for fd in made:  # a reload that is refused for want of descriptors must not keep the last ones
                os.close(fd)
            raise
        self._memory, self._annex, self._bells = made[0], made[1], [*made[2:], courier_bell]

    @classmethod
    def create(cls, geometry: Geometry, courier_bell: int) -> "Segment":
        """A fresh, empty segment. Raises OSError when memory or file descriptors are refused."""
        return cls(geometry, courier_bell)

    def open_feeder(self, seat: int, incarnation: int, terms: FeederTerms = FeederTerms()) -> FeederSide:
        """The feeder's side of seat `seat`; takes over what an earlier incarnation left."""
        return FeederSide(
            self._ring(arena_writable=True),
            seat,
            incarnation,
            order=ORDERS[terms.order],
            run_limit=terms.run_limit,
            commit_window=terms.commit_window,
            tagged=terms.tagged,
            courier_share=terms.courier_share,
        )

    def open_handler(self, seat: int, incarnation: int) -> HandlerSide:
        """The handler's side; the seat was admitted by the overseer."""
        return HandlerSide(self._ring(), seat, incarnation)

    def open_courier(self, incarnation: int) -> CourierSide:
        """The courier's side; whatever an earlier courier had is sent again."""
        return CourierSide(self._ring(), incarnation)

    def overseer(self) -> Overseer:
        """The supervisor's side."""
        return Overseer(self._ring())

    def fds(self) -> list[int]:
        """Every file descriptor of this segment, for a child that keeps some and closes the rest."""
        return [self._memory, self._annex, *self._bells]

    def close(self) -> None:
        """Let go of the memory; children that have it mapped keep it until they end."""
        for fd in (self._memory, self._annex, *self._bells[:-1]):
            os.close(fd)

    def _ring(self, *, arena_writable: bool = False) -> Ring:
        return Ring(self._memory, self._annex, self._bells, arena_writable)


def _block_bytes(arena_bytes: int, slots: int) -> int:
    """Eighth parts of an average message's share, from 64 to 4096 bytes: little waste, short maps."""
    share = arena_bytes // slots // 8
    return min(max(64, 1 << max(share, 1).bit_length() - 1), 4096)
