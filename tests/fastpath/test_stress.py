"""Real processes at full speed on one ring: exactly once, checksums clean, kill -9 at random instants."""

import mmap
import os
import random
import select
import signal
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rig import Rig, plan_of

from ringmain import clock
from ringmain.queues.frames import FRAME_BYTES, unpack
from ringmain.rings import CRASH, FeederTerms, Geometry
from ringmain.verdict import CHANNEL, DEAD, OVERFLOW, RETRY
from support import signals
from support.forking import forked

_NAMES = ("feeder", "first", "second", "courier")
_PADS = [bytes(range(n % 256)) * (1 + n % 3) for n in range(512)]


def _value(offset: int) -> bytes:
    body = offset.to_bytes(8, "little") + _PADS[offset % 512]
    return zlib.crc32(body).to_bytes(4, "little") + body


def _offset_of(value: bytes | None) -> int:
    assert value is not None
    assert zlib.crc32(value[4:]).to_bytes(4, "little") == value[:4], "the bytes of a message were torn"
    return int.from_bytes(value[4:12], "little")


class Plant:
    """A ring, its processes, and a tally of how often each process of them finished each offset.

    With order "overflow" there is none, every other stretch of messages goes straight for the courier, and
    what waits is diverted all the time.
    """

    def __init__(
        self, messages: int, order: str = "none", slots: int = 1024, window: int = 1_000_000
    ) -> None:
        self.ring = Rig(Geometry(1, 8, slots, slots * 512, 128))
        self.overflows = order == "overflow"
        self.messages, self.order, self.window = messages, "none" if self.overflows else order, window
        self.low = mmap.mmap(-1, 4096)
        self.tallies = {name: mmap.mmap(-1, messages) for name in ("first", "second", "courier")}
        self.pids: dict[str, int] = {}
        self.seats: dict[str, int] = {}
        self.incarnation = 0

    def committed(self) -> int:
        return int(struct.unpack_from("<Q", self.low)[0])

    def counts(self) -> Iterator[int]:
        return (sum(of_offset) for of_offset in zip(*(t[:] for t in self.tallies.values()), strict=True))

    # -- processes ---------------------------------------------------------------------------------------
    def start(self, name: str) -> None:
        loop: Callable[[], None]
        if name == "feeder":
            loop = self._feed
            if self.ring.overseer.feeder_state(0):
                self.ring.overseer.bury_feeder(0)
        elif name == "courier":
            self.incarnation += 1
            loop = self._carry
        else:
            seat = self.ring.overseer.free_seat()
            if seat < 0:
                return  # the feeder has yet to resolve the dead
            self.seats[name] = seat
            incarnation = self.ring.overseer.admit(seat)

            def loop() -> None:
                self._handle(name, seat, incarnation)

        self.pids[name] = forked(loop)

    def kill(self, name: str) -> None:
        pid = self.pids.pop(name, None)
        if pid is None:
            return
        signals.send(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status), f"{name} failed by itself"
        if name in self.seats:
            self.ring.overseer.bury(self.seats.pop(name), CRASH)

    def check_alive(self) -> None:
        for name, pid in self.pids.items():
            assert os.waitpid(pid, os.WNOHANG)[0] == 0, f"{name} failed by itself"

    def end(self) -> None:
        try:
            for name in list(self.pids):
                self.kill(name)
        finally:
            self.ring.close()

    # -- what they do ------------------------------------------------------------------------------------
    def _feed(self) -> None:
        terms = FeederTerms(self.order, 16, self.window, courier_share=self.overflows)
        side = self.ring.segment.open_feeder(0, 1, terms)
        index = side.partition_index("t", 0)
        side.open_partition(index, self.committed())
        offset = self.committed()
        while True:
            while offset < self.messages and side.place(
                index, offset, _value(offset), key=b"%d" % (offset % 97), verdict=self._verdict(offset)
            ):
                offset += 1
            side.flush()
            if self.overflows:
                side.divert(offset % 64, offset % 48, FRAME_BYTES)
            self._decide(side)
            side.flush()
            low = side.low_water(index)
            struct.pack_into("<Q", self.low, 0, low)
            if side.prepare_sleep():
                select.select([side.fileno()], [], [], 0.02)
            side.awake()

    def _verdict(self, offset: int) -> int:
        return OVERFLOW if self.overflows and offset // 777 % 2 else 0

    def _decide(self, side: Any) -> None:
        side.greet_courier()
        side.settle()
        side.take_back(10_000_000)
        for seat in side.dead_seats():
            for slot in side.resolve(seat)[0]:
                side.isolate(slot)
            side.resolved(seat)
        for slot, _, _, _ in side.take_events():
            side.resume(slot, side.token(slot))

    def _handle(self, name: str, seat: int, incarnation: int) -> None:
        side, tally = self.ring.segment.open_handler(seat, incarnation), self.tallies[name]

        def call(value: bytes | None) -> object:
            offset = _offset_of(value)
            if offset % 1009 == 7:
                return CHANNEL if offset % 2 else DEAD
            tally[offset] += 1
            return None

        plan = plan_of(call)
        while True:
            if side.serve(plan) == 0:
                if side.prepare_sleep():
                    select.select([side.fileno()], [], [], 1)
                side.awake()

    def _carry(self) -> None:
        side, tally = self.ring.segment.open_courier(self.incarnation), self.tallies["courier"]
        while True:
            parcels = side.take(100)
            for parcel in parcels:
                assert parcel.verdict in (CHANNEL, DEAD, RETRY)
                assert _offset_of(parcel.value) == parcel.offset
                tally[parcel.offset] = min(tally[parcel.offset] + 1, 9)
            side.ack(parcels)
            frame = side.take_frame(50)
            if frame is not None:
                for message in unpack(frame.body):
                    assert _offset_of(message.value) == message.offset
                    tally[message.offset] = min(tally[message.offset] + 1, 9)
                side.ack([frame])
            if not parcels and frame is None:
                if side.prepare_sleep():
                    select.select([side.fileno()], [], [], 1)
                side.awake()


@pytest.mark.parametrize(
    ("messages", "order"), [(1_000_000, "none"), (200_000, "key"), (300_000, "overflow")]
)
def test_three_processes_execute_each_message_exactly_once(messages: int, order: str) -> None:
    plant = Plant(messages, order)
    try:
        for name in _NAMES:
            plant.start(name)
        _until_committed(plant, 60)
    finally:
        plant.end()
    assert set(plant.counts()) == {1}


@pytest.mark.parametrize("order", ["none", "key", "overflow"])
def test_kill_9_at_random_instants_loses_nothing_and_repeats_little(order: str) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    window, slots, deaths = 2048, 256, dict.fromkeys(_NAMES, 0)
    plant = Plant(300_000, order, slots=slots, window=window)
    try:
        for name in _NAMES:
            plant.start(name)
        killing_ends = clock.monotonic_s() + 2.5
        while clock.monotonic_s() < killing_ends and plant.committed() < plant.messages:
            select.select([], [], [], chance.uniform(0.0005, 0.03))  # the random instant
            victims = chance.sample(_NAMES, chance.choice([1, 1, 1, 2, 4]))
            for name in victims:
                deaths[name] += name in plant.pids
                plant.kill(name)
            for name in chance.sample(_NAMES, 4):
                if name not in plant.pids:
                    plant.start(name)
        _until_committed(plant, 60)
    finally:
        plant.end()
    print(deaths)
    counts = list(plant.counts())
    assert min(counts) == 1, "a message was lost"
    repeats = sum(n - 1 for offset, n in enumerate(counts) if offset % 1009 != 7)
    allowed = deaths["first"] + deaths["second"] + deaths["feeder"] * window
    # What was in frames is sent again as a whole to each new courier.
    assert repeats <= allowed + (deaths["courier"] * slots if plant.overflows else 0)


def _until_committed(plant: Plant, within_s: float) -> None:
    """The last message is committed; says what the ring looks like when nothing moves any more."""
    deadline = clock.monotonic_s() + within_s
    while plant.committed() < plant.messages:
        for name in _NAMES:
            if name not in plant.pids:
                plant.start(name)
        plant.check_alive()
        assert clock.monotonic_s() < deadline, (plant.committed(), sorted(plant.ring.states()))
        select.select([], [], [], 0.01)
