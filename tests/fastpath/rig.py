"""A route's ring in one process: all sides in the test's hands, its memory open to look at and to spoil.

Tests enter. Nothing here stands in for the ring: segment, doorbells and extension are the real ones.
"""

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from ringmain._fastpath import CallPlan, CourierSide, FeederSide, HandlerSide, Message, Overseer
from ringmain.rings import FeederTerms, Geometry, Segment, bell
from ringmain.verdict import RETRY

FREE, FILLED, READY, CLAIMED, EXECUTING, COURIER, WAITING, VERDICT = 0, 1, 2, 3, 4, 5, 6, 16
RAW = 2

_HEADER = struct.Struct("<Q4I12Q")
_SLOT = struct.Struct("<QqqIHHHBBIIIIHHII")
_SLOT_BYTES = 64
_ACK_ENTRIES_AT = 128
_HEADS_AT = 64
_SEATS_AT = 4096
_CLAIM_AT = 20


class SlotView(NamedTuple):
    """What a slot holds, read past the extension."""

    word: int
    offset: int
    timestamp_ms: int
    epoch: int
    partition: int
    flags: int
    attempt: int
    crashes: int
    verdict: int
    block: int
    key_bytes: int
    headers_bytes: int
    value_bytes: int
    meta_bytes: int
    detail_bytes: int
    run_next: int
    since: int

    @property
    def state(self) -> int:
        return self.word & 63

    @property
    def seq(self) -> int:
        return self.word >> 24


class Rig:
    """A segment and its supervisor's side; feeders, handlers and couriers are opened on demand."""

    def __init__(self, geometry: Geometry) -> None:
        self.courier_bell = bell()
        self.segment = Segment.create(geometry, self.courier_bell)
        self.geometry = geometry
        self.overseer: Overseer = self.segment.overseer()
        self._feeder_incarnation = 0
        self._courier_incarnation = 0
        self._fd = self.overseer.ring.fd
        header = _HEADER.unpack(os.pread(self._fd, _HEADER.size, 0))
        self.feeder_bytes: int = header[6]
        self.feeders_at: int = header[7]
        self.ready_at: int = header[10]
        self.slots_at: int = header[12]
        self.acks_at: int = header[15]
        self.ack_bytes: int = header[16]

    def close(self) -> None:
        self.segment.close()
        os.close(self.courier_bell)

    # -- sides -------------------------------------------------------------------------------------------
    def feeder(self, seat: int = 0, **settings: Any) -> FeederSide:
        """The next incarnation of a feeder; an earlier one of the same seat counts as dead."""
        self._feeder_incarnation += 1
        if self.overseer.feeder_state(seat) == 1:
            self.overseer.bury_feeder(seat)
        return self.segment.open_feeder(seat, self._feeder_incarnation, FeederTerms(**settings))

    def handler(self) -> HandlerSide:
        seat = self.overseer.free_seat()
        assert seat >= 0, "no handler seat is free"
        return self.segment.open_handler(seat, self.overseer.admit(seat))

    def courier(self) -> CourierSide:
        self._courier_incarnation += 1
        return self.segment.open_courier(self._courier_incarnation)

    # -- memory ------------------------------------------------------------------------------------------
    def slots(self, feeder: int = 0) -> list[SlotView]:
        at = self.feeders_at + feeder * self.feeder_bytes + self.slots_at
        raw = os.pread(self._fd, self.geometry.slots * _SLOT_BYTES, at)
        return [SlotView(*_SLOT.unpack_from(raw, n * _SLOT_BYTES)) for n in range(self.geometry.slots)]

    def states(self, feeder: int = 0) -> list[int]:
        return [slot.state for slot in self.slots(feeder) if slot.state != FREE]

    def ack_ring_at(self, seat: int, feeder: int = 0) -> int:
        return self.feeders_at + feeder * self.feeder_bytes + self.acks_at + seat * self.ack_bytes

    def forge_ack(self, seat: int, entry: int, feeder: int = 0) -> None:
        """Write an ack as a handler gone wild would."""
        at = self.ack_ring_at(seat, feeder)
        (tail,) = struct.unpack("<Q", os.pread(self._fd, 8, at))
        cell = at + _ACK_ENTRIES_AT + tail % self.geometry.slots * 8
        os.pwrite(self._fd, struct.pack("<Q", entry), cell)
        self.forge_ack_tail(seat, tail + 1, feeder)

    def forge_ack_tail(self, seat: int, tail: int, feeder: int = 0) -> None:
        os.pwrite(self._fd, struct.pack("<Q", tail % 2**64), self.ack_ring_at(seat, feeder))

    def forge_claim(self, seat: int, count: int, feeder: int = 0) -> None:
        """What a handler leaves that dies between its swap on the head and its first mark."""
        assert seat == 0, "only the first seat's place is known"
        head_at = self.feeders_at + feeder * self.feeder_bytes + _HEADS_AT
        (head,) = struct.unpack("<Q", os.pread(self._fd, 8, head_at))
        os.pwrite(self._fd, struct.pack("<3IQ", feeder, 0, count, head), _SEATS_AT + _CLAIM_AT)
        os.pwrite(self._fd, struct.pack("<Q", head + count), head_at)

    def forge_ready(self, cell: int, entry: int, feeder: int = 0) -> None:
        at = self.feeders_at + feeder * self.feeder_bytes + self.ready_at
        os.pwrite(self._fd, struct.pack("<Q", entry), at + cell % self.geometry.slots * 8)


@contextmanager
def rig(*, feeders: int = 1, handlers: int = 4, slots: int = 16, arena_bytes: int = 1 << 16) -> Iterator[Rig]:
    made = Rig(Geometry(feeders, handlers, slots, arena_bytes, 64))
    try:
        yield made
    finally:
        made.close()


def plan_of(call: Callable[[bytes | None], object]) -> CallPlan:
    """Raw values in; an exception is a RETRY, any result but None is the verdict itself."""

    def resolve(
        message: Message, result: object, error: BaseException | None, stage: int
    ) -> tuple[int, bytes]:
        if error is not None:
            return RETRY, repr(error).encode()
        assert isinstance(result, int)
        return result, b"said so"

    return CallPlan(call, None, resolve, RAW, True)


def serve_all(handler: HandlerSide, call: Callable[[bytes | None], object]) -> int:
    """Serve until there is nothing; the number of messages executed."""
    plan, executed = plan_of(call), 0
    while served := handler.serve(plan):
        executed += served
    return executed


def opened(feeder: FeederSide, partition: int = 0, position: int = 0) -> int:
    """The index of a partition of topic "t", open at a position."""
    index = feeder.partition_index("t", partition)
    feeder.open_partition(index, position)
    return index
