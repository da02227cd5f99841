"""What a Kafka feeder does with its partitions when it has to give them away; Kafka itself is left out."""

from collections.abc import Iterator
from typing import Any

import pytest

from ringmain import clock
from ringmain._fastpath import CallPlan, Drain, HandlerSide, PartitionQueue
from ringmain.config.schema import Channel, Config, Queues, Route
from ringmain.feed import partitions as module
from ringmain.feed.loop import Feeder
from ringmain.feed.partitions import Partitions
from ringmain.lifecycle import KillHandler, Leash, pair
from ringmain.rings import REVOKED, Board, FeederTerms, Geometry, Overseer, Segment, bell
from ringmain.seat import Seat
from ringmain.verdict import CHANNEL, decode

WANTS_RAW = 2
SEAT_DEAD = 2


class NoKafka:
    """Instead of a KafkaSource: owns nothing, answers nothing."""

    slow_because = ""
    problem = None

    def __init__(self, *_: Any) -> None:
        self.asked: list[dict[Any, int]] = []

    def start(self) -> None: ...
    def poll(self) -> None: ...
    def retire(self) -> None: ...
    def commit(self, offsets: dict[Any, int]) -> None:
        if offsets:
            self.asked.append(offsets)

    def commit_now(self, offsets: dict[Any, int], timeout_s: float) -> bool:
        self.asked.append(offsets)
        return True


class Rig:
    """One feeder, with order key if nothing is said, over one partition; all messages have the same key."""

    def __init__(self, **settings: Any) -> None:
        route = Route(**{"name": "orders", "topics": ("orders",), "order": "key", **settings})
        queues = Queues(backend="sqlite", path="unused.db")
        config = Config(app="a:b", name="shop", queues=queues, routes={"orders": route}, revoke_s=0.05)
        self.segment, self.board = Segment.create(Geometry(1, 4, 16, 1 << 16), bell()), Board(1)
        self.leash: Leash
        self.leash, self.link = pair()
        seat = Seat("feed", config, {"orders": self.segment}, self.board, 0, self.link, "orders")
        side = self.segment.open_feeder(0, 1, FeederTerms(route.order, run_limit=8))
        self.feeder = Feeder(seat, route, side)
        self.partitions = Partitions(seat, route, self.feeder)
        self.kafka: Any = self.partitions._kafka
        self.overseer: Overseer = self.segment.overseer()
        self.queue = PartitionQueue(Drain(), "orders", 0)
        self.partitions.assigned("orders", 0, self.queue, 0)
        self.pushed = 0

    def push(self, count: int) -> None:
        for _ in range(count):
            self.queue.push(b"key", str(self.pushed).encode(), b"", self.pushed, 0)
            self.pushed += 1

    def handler(self) -> HandlerSide:
        number = self.overseer.free_seat()
        return self.segment.open_handler(number, self.overseer.admit(number))

    def close(self) -> None:
        self.queue.close()
        for one in (self.leash, self.link, self.segment, self.board):
            one.close()


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(module, "KafkaSource", NoKafka)
    made = Rig()
    yield made
    made.close()


@pytest.fixture
def rig_through(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(module, "KafkaSource", NoKafka)
    made = Rig(order="none", through="slow", channels={"slow": Channel()})
    yield made
    made.close()


def plan(call: Any) -> CallPlan:
    return CallPlan(call, None, lambda *_: (1, b""), WANTS_RAW, True)


def test_a_feeder_that_retires_places_nothing_behind_what_it_gave_back(rig: Rig) -> None:
    handler, executed = rig.handler(), list[bytes]()

    def call(value: bytes) -> None:
        executed.append(value)
        if value == b"0":
            rig.partitions.retire()
            assert not rig.partitions.leave(clock.monotonic_s() + 60)
            rig.push(2)
            rig.partitions.take()

    rig.push(4)
    rig.partitions.take()
    while handler.serve(plan(call)):
        rig.feeder.settle()
        rig.partitions.take()
    assert executed == [b"0"], "1 to 3 went back: who owns the partition next executes them before 4"
    assert rig.feeder.side.low_water(0) == 1
    assert rig.partitions.leave(clock.monotonic_s() + 60)


def test_ordered_work_of_a_lost_partition_is_ended_at_once_and_nothing_committed(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = rig.handler()
    rig.push(2)
    rig.partitions.take()
    assert len(handler.claim(1)) == 1

    def settle() -> int:
        for order in rig.leash.receive():
            if isinstance(order, KillHandler):
                rig.overseer.bury(order.seat, order.cause)
        return Feeder.settle(rig.feeder)

    monkeypatch.setattr(rig.feeder, "settle", settle)
    rig.partitions.revoked([("orders", 0)], lost=True)
    assert rig.overseer.handler(handler.seat)[0] == SEAT_DEAD
    assert rig.feeder.side.busy == 0
    assert rig.kafka.asked == []


def test_ordered_work_whose_handler_was_killed_is_begun_by_no_other_here(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    side, first, second = rig.feeder.side, rig.handler(), rig.handler()
    rig.push(1)
    rig.partitions.take()
    assert len(first.claim(1)) == 1
    killed: list[int] = []

    def settle_and_be_quick() -> int:
        for order in rig.leash.receive():
            if isinstance(order, KillHandler):
                killed.append(order.seat)
                rig.overseer.bury(order.seat, REVOKED)
        back = Feeder.settle(rig.feeder)
        assert second.claim(1) == []
        return back

    monkeypatch.setattr(rig.feeder, "settle", settle_and_be_quick)
    rig.partitions.revoked([("orders", 0)], lost=False)
    assert killed == [first.seat]
    assert side.busy == 0


def test_the_answer_to_a_commit_from_before_the_log_went_back_is_no_reason_to_commit_less(rig: Rig) -> None:
    pair, handler, done = ("orders", 0), rig.handler(), plan(lambda value: None)
    rig.pushed = 1000
    for count in (1, 3):
        rig.push(count)
        rig.partitions.take()
        while handler.serve(done):
            rig.feeder.settle()
        rig.pushed = 0
    rig.partitions.committed({pair: 1001}, "")
    rig.partitions.committed({pair: 3}, "a rebalance")
    rig.partitions.revoked([pair], lost=False)
    assert rig.kafka.asked[-1] == {pair: 3}


def test_a_route_that_goes_through_a_channel_hands_all_to_the_courier_and_commits_behind_it(
    rig_through: Rig,
) -> None:
    rig = rig_through
    rig.push(3)
    rig.partitions.take()
    assert rig.feeder.side.busy == 0, "a courier that is not there yet would get it twice"
    courier = rig.segment.open_courier(1)
    rig.feeder.settle()
    rig.partitions.take()
    assert rig.handler().serve(plan(lambda value: None)) == 0
    parcels = courier.take(10)
    assert [(parcel.verdict, parcel.offset, parcel.key, parcel.value) for parcel in parcels] == [
        (CHANNEL, offset, b"key", str(offset).encode()) for offset in range(3)
    ]
    assert {decode(parcel.detail).channel for parcel in parcels} == {"slow"}
    assert rig.feeder.side.low_water(0) == 0
    courier.ack(parcels)
    rig.feeder.settle()
    assert rig.feeder.side.low_water(0) == 3
