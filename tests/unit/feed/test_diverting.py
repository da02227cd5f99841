"""Overflow carried out on a real ring: what goes, what stays, what is said of it."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from ringmain._fastpath import Drain, PartitionQueue
from ringmain.config.schema import Overflow as Rule
from ringmain.feed.diverting import Diverter
from ringmain.queues.frames import unpack
from ringmain.rings import GATE_FLOOD, CourierSide, FeederTerms, Geometry, Intake, Segment, bell
from ringmain.verdict import DONE

SLOTS = 64
MESSAGES = 300


@dataclass
class Feeder:
    """A feeder's side with something to take, and the courier's."""

    segment: Segment

    def __post_init__(self) -> None:
        self.side = self.segment.open_feeder(0, 1, FeederTerms(courier_share=True))
        self.courier: CourierSide = self.segment.open_courier(1)
        self.side.greet_courier()
        self.index = self.side.partition_index("t", 0)
        self.side.open_partition(self.index, 0)
        self.intake = Intake(self.side, b"")
        self.diverter = Diverter(Rule(after_s=1.0), self.side, self.intake, SLOTS)
        self.queue = PartitionQueue(Drain(), "t", 0)
        for offset in range(MESSAGES):
            self.queue.push(None, b"%d" % offset, b"", offset, 0)

    def turn(self, now_s: float) -> None:
        """One round of the feeder's loop."""
        self.intake.take(self.queue, self.index, 1000)
        self.side.settle()
        self.diverter.watch(now_s, self.intake.stalled, lambda: MESSAGES - self.side.position(self.index))
        self.side.flush()

    def carried(self) -> list[int]:
        """What the courier takes and acks now."""
        offsets = []
        while (frame := self.courier.take_frame()) is not None:
            offsets += [one.offset for one in unpack(frame.body)]
            self.courier.ack([frame])
        return offsets


@pytest.fixture
def feeder() -> Iterator[Feeder]:
    segment = Segment.create(Geometry(1, 1, SLOTS, 1 << 16), bell())
    made = Feeder(segment)
    yield made
    made.queue.close()
    segment.close()


def test_all_but_what_handlers_keep_is_committed_within_a_few_turns(
    feeder: Feeder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    feeder.turn(0.0)
    assert (feeder.side.room, feeder.diverter.on) == (0, False)
    feeder.turn(1.1)
    assert feeder.diverter.on
    assert feeder.side.waiting_for_courier == SLOTS * 3 // 4  # a quarter stays the handlers' until a confirm
    gone: list[int] = []
    for turn in range(40):
        gone += feeder.carried()
        feeder.turn(1.2 + turn / 100)
    assert sorted(gone) == list(range(1, MESSAGES))  # handlers that finished nothing yet keep the oldest one
    assert feeder.side.low_water(feeder.index) == 0
    (line,) = [record for record in caplog.records if record.message == "overflow begins"]
    assert line.__dict__["reason"] == "the ring was full for 1.1 s"


def test_it_ends_with_one_line_and_then_handlers_get_everything_again(
    feeder: Feeder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for now_s in (0.0, 1.1):
        feeder.turn(now_s)
    for turn in range(200):
        feeder.carried()
        feeder.turn(1.2 + turn / 20)
    assert not feeder.diverter.on
    feeder.queue.push(None, b"fresh", b"", MESSAGES, 0)
    feeder.turn(20.0)
    assert (feeder.side.unclaimed, feeder.carried()) == (2, [])
    (line,) = [record for record in caplog.records if record.message == "overflow ends"]
    assert line.__dict__["reason"] == "handlers have caught up with what they kept"
    assert line.__dict__["confirmed"] == MESSAGES - 1


def test_nothing_overflows_while_handlers_are_kept_from_taking_anything(feeder: Feeder) -> None:
    feeder.segment.overseer().close_gate(GATE_FLOOD)
    for second in range(10):
        feeder.turn(float(second))
    assert (feeder.diverter.on, feeder.side.waiting_for_courier) == (False, 0)


def test_frames_of_slow_handlers_are_no_larger_than_what_they_finish_in_ten_minutes(feeder: Feeder) -> None:
    """A frame that is held for half an hour is taken back by RabbitMQ, and begins again."""
    overseer = feeder.segment.overseer()
    seat = overseer.free_seat()
    handler = feeder.segment.open_handler(seat, overseer.admit(seat))
    largest: dict[int, int] = {}
    for finished in range(40):
        for turn in range(3):
            feeder.turn(finished * 200.0 + turn * 20.0)
        while (frame := feeder.courier.take_frame()) is not None:
            largest[finished] = max(largest.get(finished, 0), frame.messages)
            feeder.courier.ack([frame])
        for claim in handler.claim(1):
            handler.finish(claim, DONE)
    assert largest
    assert max(largest.values()) <= 3


def test_queues_that_confirm_nothing_leave_handlers_their_share_of_the_bytes(feeder: Feeder) -> None:
    """Messages that fill the arena long before the slots."""
    feeder.queue.close()
    feeder.queue = PartitionQueue(Drain(), "t", 0)
    for offset in range(MESSAGES):
        feeder.queue.push(None, bytes(4000), b"", offset, 0)
    overseer = feeder.segment.overseer()
    seat = overseer.free_seat()
    handler = feeder.segment.open_handler(seat, overseer.admit(seat))
    handled = 0
    for turn in range(300):
        feeder.turn(turn / 20)
        for claim in handler.claim(1) if turn % 10 == 0 else []:
            handler.finish(claim, DONE)
            handled += 1
    assert not feeder.diverter.on
    assert feeder.side.waiting_for_courier <= 12
    assert handled >= 20  # of thirty: the first seconds pass until it is known that nothing is confirmed
