"""What a Kafka feeder does with its partitions when it has to give them away; Kafka itself is left out."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ringmain import clock
from ringmain._fastpath import CallPlan, Drain, HandlerSide, PartitionQueue
from ringmain.config.schema import Channel, Config, Queues, Route
from ringmain.errors import FatalKafkaError
from ringmain.feed import partitions as module
from ringmain.feed.commits import LAST_S
from ringmain.feed.loop import Feeder
from ringmain.feed.partitions import Partitions
from ringmain.feed.sparing import Sparing
from ringmain.lifecycle import Assigned, KillHandler, Leash, Paused, Seek, Sought, pair
from ringmain.rings import GATE_STOP, REVOKED, Board, FeederTerms, Geometry, Overseer, Segment, bell
from ringmain.seat import Seat
from ringmain.verdict import CHANNEL, DONE, RETRY, RETURNED, Failure, decode, encode
from support.waiting import eventually

WANTS_RAW = 2
SEAT_DEAD = 2
PAIR = ("orders", 0)


class NoKafka:
    """Instead of a KafkaSource: owns nothing, answers nothing."""

    slow_because = ""
    problem = None

    def __init__(self, *_: Any) -> None:
        self.asked: list[dict[Any, int]] = []
        self.sought: list[int] = []
        self.first, self.end = 0, 1000
        self.refusal = ""
        self.stands = True
        self.waited_s = 0.0

    def start(self) -> None: ...
    def poll(self) -> None: ...
    def retire(self) -> None: ...
    def commit(self, offsets: dict[Any, int]) -> None:
        if offsets:
            self.asked.append(offsets)

    def close(self) -> bool:
        return True

    def commit_now(self, offsets: dict[Any, int], timeout_s: float) -> bool:
        self.waited_s = timeout_s
        self.asked.append(offsets)
        return self.stands

    def news(self) -> None:
        return None

    def end_offsets(self) -> dict[Any, int]:
        return {("orders", 0): self.end}

    def offset_for(self, topic: str, partition: int, when: str | int, timeout_s: float) -> int:
        return {"earliest": self.first, "latest": self.end}.get(str(when), 40)

    def seek(self, topic: str, partition: int, offset: int) -> str:
        self.sought.append(offset)
        return self.refusal


class Rig:
    """One feeder, with order key if nothing is said, over one partition; all messages have the same key."""

    def __init__(self, revoke_s: float = 0.05, **settings: Any) -> None:
        route = Route(**{"name": "orders", "topics": ("orders",), "order": "key", **settings})
        queues = Queues(backend="sqlite", path="unused.db")
        config = Config(app="a:b", name="shop", queues=queues, routes={"orders": route}, revoke_s=revoke_s)
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

    def do(self, count: int) -> None:
        """So many messages come and are handled."""
        handler = self.handler()
        self.push(count)
        self.partitions.take()
        while handler.serve(plan(lambda value: None)):
            self.feeder.settle()

    def answer(self, refusal: str = "") -> None:
        """What is to be committed is asked for, as soon as it may be, and answered."""
        asked = len(self.kafka.asked)
        eventually(lambda: self.partitions.commit() or len(self.kafka.asked) > asked)
        self.partitions.committed(self.kafka.asked[-1], refusal)

    def handler(self) -> HandlerSide:
        number = self.overseer.free_seat()
        return self.segment.open_handler(number, self.overseer.admit(number))

    def close(self) -> None:
        self.queue.close()
        for one in (self.leash, self.link, self.segment, self.board):
            one.close()


@pytest.fixture
def make_rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Rig]]:
    """Makes rigs: make_rig(revoke_s=…, order=…)."""
    monkeypatch.setattr(module, "KafkaSource", NoKafka)
    made: list[Rig] = []

    def make(**settings: Any) -> Rig:
        made.append(Rig(**settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    return make_rig()


def test_an_assignment_that_the_link_has_no_room_for_is_said_again(rig: Rig) -> None:
    while rig.link.send(Assigned([("filler", number) for number in range(100)])):
        pass
    rig.partitions.regrouped()
    while rig.leash.receive():
        pass

    def heard() -> list[Any]:
        rig.partitions.commit()
        return rig.leash.receive()

    assert eventually(heard) == [Assigned([PAIR])]


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
    assert not rig.partitions.leave(clock.monotonic_s() + 60), "it is not committed yet"
    rig.answer()
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


def test_what_was_waited_for_to_the_deadline_is_not_waited_for_again(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(revoke_s=60.0, order="none")
    """The supervisor kills a feeder soon after its deadline; until then it has to leave its group."""
    rig.push(1)
    rig.partitions.take()
    assert len(rig.handler().claim(1)) == 1
    began_s = clock.monotonic_s()
    assert rig.partitions.leave(began_s)
    rig.partitions.revoked([("orders", 0)], lost=False)
    assert clock.monotonic_s() - began_s < 30


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
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(order="none", through="slow", channels={"slow": Channel()})
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


# -- operators -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "paused",
    [Paused(everything=True), Paused(partitions=[("orders", 0)]), Paused(partitions=[("orders", -1)])],
)
def test_of_a_paused_partition_nothing_is_taken_and_what_was_taken_is_finished(
    rig: Rig, paused: Paused
) -> None:
    handler = rig.handler()
    rig.push(2)
    rig.partitions.take()
    rig.partitions.pause(paused)
    rig.push(2)
    assert not rig.partitions.take()
    while handler.serve(plan(lambda value: None)):
        rig.feeder.settle()
    assert rig.feeder.side.low_water(0) == rig.feeder.side.position(0) == 2
    assert [(row[2], row[4], row[7]) for row in rig.overseer.partitions(0)] == [(2, 1000, True)]
    rig.partitions.pause(Paused(partitions=[("others", 0), ("orders", 1)]))
    rig.partitions.take()
    assert rig.feeder.side.position(0) == 4
    assert not rig.overseer.partitions(0)[0][7]


def test_a_partition_that_comes_while_it_is_paused_is_not_taken(rig: Rig) -> None:
    rig.partitions.revoked([("orders", 0)], lost=False)
    rig.partitions.pause(Paused(partitions=[("orders", 0)]))
    rig.partitions.assigned("orders", 0, rig.queue, 0)
    rig.push(1)
    rig.partitions.take()
    assert rig.feeder.side.busy == 0
    assert rig.overseer.partitions(0)[0][7]


def test_what_waits_for_room_when_it_is_paused_is_taken_after_it_is_resumed(rig: Rig) -> None:
    handler, executed = rig.handler(), list[bytes]()
    rig.push(40)
    rig.partitions.take()
    assert rig.partitions.stalled()
    rig.partitions.pause(Paused(everything=True))
    assert not rig.partitions.stalled()
    rig.partitions.pause(Paused())
    for _ in range(40):
        rig.partitions.take()
        handler.serve(plan(executed.append))
        rig.feeder.settle()
    assert executed == [b"%d" % number for number in range(40)]


@pytest.mark.parametrize(
    ("order", "offset"),
    [
        (Seek("orders", 0, offset=2), 2),
        (Seek("orders", 0, offset=1000), 1000),
        (Seek("orders", 0, edge="earliest"), 0),
        (Seek("orders", 0, edge="latest"), 1000),
        (Seek("orders", 0, since_ms=77), 40),
    ],
)
def test_a_seek_withdraws_what_nobody_began_commits_the_new_place_and_goes_on_there(
    rig: Rig, order: Seek, offset: int
) -> None:
    handler, executed = rig.handler(), list[bytes]()
    rig.push(10)
    rig.partitions.take()
    assert rig.partitions.seek(order) == Sought("orders", 0, offset)
    assert rig.kafka.sought == [offset]
    assert rig.kafka.asked[-1] == {("orders", 0): offset}
    assert (rig.feeder.side.busy, rig.feeder.side.position(0)) == (0, offset)
    rig.pushed = offset
    rig.queue.discard()
    rig.push(3)
    rig.partitions.take()
    while handler.serve(plan(executed.append)):
        rig.feeder.settle()
    assert executed == [b"%d" % number for number in range(offset, offset + 3)]
    assert rig.feeder.side.low_water(0) == offset + 3


def test_a_seek_back_is_committed_again_when_it_was_not_seen_to_stand(rig: Rig) -> None:
    handler = rig.handler()
    rig.push(10)
    rig.partitions.take()
    while handler.serve(plan(lambda value: None)):
        rig.feeder.settle()
    rig.partitions.commit()
    rig.kafka.stands = False
    rig.partitions.seek(Seek("orders", 0, offset=3))
    rig.partitions.committed({("orders", 0): 10}, "")
    rig.partitions._commits._due_s = 0.0
    rig.partitions.commit()
    assert rig.kafka.asked[-1] == {("orders", 0): 3}


def test_a_call_that_outlasts_the_deadline_of_a_seek_moves_no_offset(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(order="none")
    handler = rig.handler()
    rig.push(3)
    rig.partitions.take()
    late = handler.claim(1)
    assert rig.partitions.seek(Seek("orders", 0, offset=500)) == Sought("orders", 0, 500)
    handler.finish(late[0], 1)
    handler.flush()
    rig.feeder.settle()
    assert rig.feeder.side.low_water(0) == rig.feeder.side.position(0) == 500
    assert rig.feeder.side.busy == 0


def test_a_paused_partition_can_be_sent_elsewhere_and_stays_paused(rig: Rig) -> None:
    rig.partitions.pause(Paused(everything=True))
    assert rig.partitions.seek(Seek("orders", 0, offset=5)) == Sought("orders", 0, 5)
    rig.pushed = 5
    rig.push(1)
    rig.partitions.take()
    assert rig.feeder.side.busy == 0


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (Seek("orders", 1, offset=0), "not taken here"),
        (Seek("orders", 0, offset=1001), "no offset 1001: it has 10 to 1000"),
        (Seek("orders", 0, offset=9), "no offset 9"),
    ],
)
def test_a_seek_that_cannot_be_changes_nothing(rig: Rig, order: Seek, why: str) -> None:
    rig.kafka.first = 10
    rig.push(2)
    rig.partitions.take()
    answer = rig.partitions.seek(order)
    assert (answer.topic, answer.partition, answer.offset) == (order.topic, order.partition, -1)
    assert why in answer.reason
    assert rig.feeder.side.busy == 2
    assert rig.kafka.asked == rig.kafka.sought == []


def test_a_client_that_does_not_go_there_ends_the_process_with_nothing_lost(rig: Rig) -> None:
    handler = rig.handler()
    rig.push(1)
    rig.partitions.take()
    while handler.serve(plan(lambda value: None)):
        rig.feeder.settle()
    rig.push(4)
    rig.partitions.take()
    rig.kafka.refusal = "erroneous state"
    with pytest.raises(FatalKafkaError, match="erroneous state"):
        rig.partitions.seek(Seek("orders", 0, offset=700))
    rig.partitions._commits.last(rig.partitions._owned)
    assert rig.kafka.asked[-1] == {("orders", 0): 1}, "what was withdrawn is not committed past"


def test_who_leaves_lets_handlers_finish_what_lies_below_something_done_and_withdraws_the_rest(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(order="none")
    slow, quick, executed = rig.handler(), rig.handler(), list[bytes]()
    rig.push(3)
    rig.partitions.take()
    first, second = slow.claim(2)
    (third,) = quick.claim(1)
    quick.finish(third, DONE)
    rig.feeder.settle()
    rig.push(5)
    rig.partitions.take()
    rig.partitions.quiet()
    assert not rig.partitions.leave(clock.monotonic_s() + 60)
    assert not quick.serve(plan(executed.append)), "what nobody had begun is withdrawn"
    slow.finish(first, DONE)
    slow.finish(second, DONE)
    rig.feeder.settle()
    assert not rig.partitions.leave(clock.monotonic_s() + 60)
    rig.answer()
    assert rig.partitions.leave(clock.monotonic_s() + 60)
    assert rig.kafka.asked == [{PAIR: 3}]


def test_what_nobody_began_in_time_is_not_begun_after_the_last_commit(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(revoke_s=0.0)
    slow, other = rig.handler(), rig.handler()
    for offset, key in enumerate((b"a", b"b", b"b")):
        rig.queue.push(key, b"%d" % offset, b"", offset, 0)
    rig.partitions.take()
    claims = {claim.value: claim for claim in slow.claim(3)}
    slow.finish(claims[b"1"], DONE)
    rig.feeder.settle()
    slow.finish(claims[b"0"], RETURNED)  # below what is done, and to be had again
    rig.feeder.settle()
    begun: list[Any] = []

    def commit_now(offsets: dict[Any, int], timeout_s: float) -> bool:
        begun.extend(other.claim(1))
        return True

    rig.kafka.commit_now = commit_now
    rig.partitions.revoked([PAIR], lost=False)
    assert begun == []


def test_a_revocation_does_not_wait_for_a_retry_that_is_not_due_by_then(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(revoke_s=60.0)
    handler = rig.handler()
    for offset, key in enumerate((b"a", b"b")):
        rig.queue.push(key, b"", b"", offset, 0)
    rig.partitions.take()
    first, second = handler.claim(2)
    handler.finish(first, RETRY, encode(Failure(delay_s=3600.0, error_class="E", error_message="")))
    handler.finish(second, DONE)
    rig.feeder.settle()
    began_s = clock.monotonic_s()
    rig.partitions.revoked([PAIR], lost=False)
    assert clock.monotonic_s() - began_s < 10, "half of revoke_s is thirty"


def test_a_revocation_on_the_way_out_waits_no_longer_than_the_way_out(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(revoke_s=60.0)
    handler = rig.handler()
    rig.push(1)
    rig.partitions.take()
    assert handler.claim(1)
    assert not rig.partitions.leave(clock.monotonic_s() + 0.2)
    began_s = clock.monotonic_s()
    rig.partitions.revoked([PAIR], lost=False)
    assert clock.monotonic_s() - began_s < 10, "revoke_s is a minute"


def test_a_retry_in_place_that_is_far_away_keeps_nobody_from_leaving() -> None:
    now_s = clock.monotonic_s()
    sparing = Sparing(now_s, now_s + 60)
    assert sparing.goes_on(True, None)
    assert sparing.goes_on(False, now_s + 1)
    assert not sparing.goes_on(False, now_s + 5)
    assert not sparing.goes_on(False, None)
    assert not Sparing(now_s - 40, now_s + 20).goes_on(True, None), "the second half is for what is executing"


def test_who_leaves_commits_at_once_and_stays_until_that_stands_however_often_it_is_refused(rig: Rig) -> None:
    rig.do(3)
    rig.answer()
    rig.do(4)
    rig.partitions.quiet()
    rig.partitions.commit()
    assert rig.kafka.asked == [{PAIR: 3}], "it is committed each commit.interval_s"
    for _ in range(3):
        assert not rig.partitions.leave(clock.monotonic_s() + 60)
        rig.answer("the group is changing")
    assert not rig.partitions.leave(clock.monotonic_s() + 60)
    rig.answer()
    assert rig.kafka.asked == [{PAIR: 3}] + [{PAIR: 7}] * 4
    assert rig.partitions.leave(clock.monotonic_s() + 60)
    rig.partitions.close()
    assert rig.kafka.asked[5:] == [{}], "there is nothing left to be waited for"


def test_a_last_commit_that_was_waited_for_in_vain_is_not_waited_for_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.do(3)
    assert not rig.partitions.leave(clock.monotonic_s() + 60)
    assert rig.partitions.leave(clock.monotonic_s()), "past the deadline"
    now_s = clock.monotonic_s() + LAST_S
    monkeypatch.setattr(clock, "monotonic_s", lambda: now_s)
    assert rig.partitions.leave(now_s + 60)
    rig.partitions.close()
    assert 0 < rig.kafka.waited_s < 1


def test_a_last_commit_that_was_not_seen_to_stand_is_tried_again_when_the_partition_goes(rig: Rig) -> None:
    rig.do(3)
    rig.kafka.stands = False
    rig.partitions.close()
    rig.partitions.revoked([PAIR], lost=False)
    assert rig.kafka.asked == [{PAIR: 3}] * 2


def test_a_last_commit_that_stands_after_all_is_known_to(rig: Rig) -> None:
    rig.do(3)
    rig.kafka.stands = False
    rig.partitions._commits.last(rig.partitions._owned)
    assert not rig.partitions.leave(clock.monotonic_s() + 60)
    rig.partitions.committed({PAIR: 3}, "")
    assert rig.partitions.leave(clock.monotonic_s() + 60)


def test_with_handlers_that_may_begin_nothing_it_gives_back_at_once(rig: Rig) -> None:
    rig.push(10)
    rig.partitions.take()
    rig.partitions.quiet()
    rig.overseer.close_gate(GATE_STOP)
    assert rig.partitions.leave(clock.monotonic_s() + 60)
    assert rig.feeder.side.low_water(0) == 0
