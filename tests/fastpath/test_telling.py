"""What a feeder tells of its partitions and its ring, and what who looks from outside sees of it."""

import os
import signal
import struct
from collections.abc import Iterator

import pytest
from rig import Rig, opened, rig, serve_all

from ringmain._fastpath import Drain, Intake, PartitionQueue
from ringmain.rings import REVOKED
from support import signals
from support.forking import fork

_PARTITIONS_AT = 13
_ROW_BYTES = 320
_VERSION_AT = 264
ENOUGH, MOST_LOOKS = 5_000, 500_000


@pytest.fixture
def ring() -> Iterator[Rig]:
    with rig() as made:
        yield made


def test_what_was_told_is_seen_and_nothing_of_what_is_not_owned(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    first, given_away = opened(feeder, 0, 100), opened(feeder, 1, 5)
    for offset in (100, 101, 105):
        feeder.place(first, offset, b"x", timestamp_ms=offset)
    feeder.flush()
    assert ring.overseer.partitions(0) == [], "nothing was told yet"
    assert serve_all(handler, lambda value: None) == 3
    feeder.settle()
    feeder.tell_partition(first, 101, 200, True)
    feeder.tell_partition(given_away, -1, -1, False)
    assert ring.overseer.partitions(0) == [
        ("t", 0, 106, 101, 200, 106, -1, True),
        ("t", 1, 5, -1, -1, 5, -1, False),
    ]
    feeder.close_partition(given_away)
    assert [row[:2] for row in ring.overseer.partitions(0)] == [("t", 0)]


def test_low_water_stays_below_what_is_not_settled(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    index = opened(feeder)
    for offset in range(4):
        feeder.place(index, offset, b"x")
    feeder.flush()
    claims = handler.claim(4)
    handler.finish(claims[0], 1)
    handler.finish(claims[2], 1)
    handler.flush()
    feeder.settle()
    feeder.tell_partition(index, 0, 4, False)
    [(_, _, position, _, _, low, _, _)] = ring.overseer.partitions(0)
    assert (position, low) == (4, 1)


def test_a_feeder_that_adopts_owns_nothing_until_it_says_so(ring: Rig) -> None:
    feeder = ring.feeder()
    feeder.tell_partition(opened(feeder), 0, 0, False)
    assert len(ring.overseer.partitions(0)) == 1
    ring.overseer.bury_feeder(0)
    assert ring.overseer.partitions(0) == [], "nobody owns it while its feeder is dead"
    ring.feeder()
    assert ring.overseer.partitions(0) == []


def test_a_feeder_that_died_while_it_wrote_hides_one_row_until_the_next_one_writes_it(ring: Rig) -> None:
    feeder = ring.feeder()
    index = opened(feeder)
    feeder.tell_partition(index, 7, 9, False)
    header = struct.unpack("<Q4I12Q", os.pread(ring.overseer.ring.fd, 120, 0))
    version_at = ring.feeders_at + header[_PARTITIONS_AT] + index * _ROW_BYTES + _VERSION_AT
    (version,) = struct.unpack("<Q", os.pread(ring.overseer.ring.fd, 8, version_at))
    os.pwrite(ring.overseer.ring.fd, struct.pack("<Q", version + 1), version_at)
    assert ring.overseer.partitions(0) == []
    feeder.tell_partition(index, 7, 9, False)
    assert ring.overseer.partitions(0)[0][3:5] == (7, 9)


def test_who_looks_while_it_is_written_sees_one_telling_or_the_next_never_half_of_each(ring: Rig) -> None:
    feeder = ring.feeder()
    index = opened(feeder)
    feeder.tell_partition(index, 1, 1, True)
    writer = fork()
    if writer == 0:
        n = 1
        while True:
            n += 1
            feeder.tell_partition(index, n, n, n % 2 == 1)
    seen: list[tuple[str, int, int, int, int, int, int, bool]] = []
    try:
        for _ in range(MOST_LOOKS):  # one that was stopped while it wrote hides its row for the while
            seen += ring.overseer.partitions(0)
            if len(seen) >= ENOUGH:
                break
    finally:
        signals.send(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
    assert {committed - end for _, _, _, committed, end, _, _, _ in seen} == {0}
    assert all(paused == (committed % 2 == 1) for _, _, _, committed, _, _, _, paused in seen)
    assert len(seen) >= ENOUGH
    committed = [row[3] for row in seen]
    assert committed == sorted(committed)


def test_the_last_timestamp_is_of_the_last_taken_or_of_the_one_that_waits_for_room(ring: Rig) -> None:
    feeder = ring.feeder()
    index = opened(feeder)
    queue = PartitionQueue(Drain(), "t", 0)
    intake = Intake(feeder, b"too large")

    def told_ms() -> int:
        feeder.tell_partition(index, 0, 0, False)
        return ring.overseer.partitions(0)[0][6]

    assert told_ms() == -1
    for offset in range(3):
        queue.push(None, b"x", b"", offset, 1000 + offset)
    queue.push(None, None, b"", 3, -1, -191)
    assert intake.take(queue, index, 100) == 3
    assert told_ms() == 1002, "a partition's end has no time of its own"
    for offset in range(3, 30):
        queue.push(None, b"x" * 60_000 if offset in (5, 8) else b"x", b"", offset, 1000 + offset)
    intake.take(queue, index, 100)
    assert intake.stalled
    assert (feeder.position(index), told_ms()) == (8, 1008)
    queue.close()


def test_the_use_of_a_ring_is_as_of_the_last_settle(ring: Rig) -> None:
    feeder, handler = ring.feeder(), ring.handler()
    index = opened(feeder)
    assert ring.overseer.ring_use(0)[:2] == (16, 0)
    for offset in range(8):
        feeder.place(index, offset, b"x")
    feeder.flush()
    feeder.settle()
    assert ring.overseer.ring_use(0) == (16, 8, 0.5, 8)
    claims = handler.claim(4)
    assert ring.overseer.ring_use(0) == (16, 8, 0.5, 8 - len(claims))
    feeder.place(index, 8, b"x" * 60_000)
    feeder.flush()
    feeder.settle()
    slots, used, ratio, _ = ring.overseer.ring_use(0)
    assert (slots, used) == (16, 9)
    assert ratio > 0.9, "of bytes, where those are scarcer"


def test_a_handler_in_whichever_seat_is_heard_and_its_death_is_seen(ring: Rig) -> None:
    feeder = ring.feeder()
    index = opened(feeder)
    handlers = [ring.handler() for _ in range(4)]
    last = handlers[-1]
    assert last.seat == 3
    feeder.place(index, 0, b"x")
    feeder.flush()
    assert serve_all(last, lambda value: None) == 1
    assert feeder.settle() == 1
    assert feeder.low_water(index) == 1
    ring.overseer.bury(last.seat, REVOKED)
    assert feeder.dead_seats() == [last.seat]
