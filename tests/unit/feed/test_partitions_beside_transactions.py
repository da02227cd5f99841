"""Partitions of a transactional route over the real ring: what waits for Kafka's answer, who is believed.

Kafka is left out; `floor` is what it says is committed.
"""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from test_partitions import PAIR, NoKafka, Rig

from ringmain import outgoing
from ringmain.feed import partitions as module
from ringmain.lifecycle import Seek
from ringmain.rings import CRASH, BatchClaim, HandlerSide
from ringmain.verdict import DONE
from support.transactional import PLAN


class Kafka(NoKafka):
    floor = -1001

    def member(self) -> bytes:
        return b"word"

    def standing(self, pairs: list[Any], _timeout_s: float) -> dict[Any, int]:
        return dict.fromkeys(pairs, self.floor)


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(module, "KafkaSource", Kafka)
    monkeypatch.setattr(outgoing, "transaction", lambda *_: SimpleNamespace(prepare=lambda: True))
    made = Rig(order="partition", transactional=True)
    yield made
    made.close()


def claim(rig: Any, handler: HandlerSide) -> BatchClaim:
    for _ in range(5):
        if (batch := handler.batch(PLAN, 16)) is not None:
            return batch
        rig.feeder.settle()
    raise AssertionError("nothing came")


def sent_back(rig: Any) -> HandlerSide:
    """Ten are done; then an operator sends the partition back to 2, whose commit is not seen to stand."""
    rig.push(10)
    rig.partitions.take()
    handler: HandlerSide = rig.handler()
    while rig.feeder.side.low_water(0) < 10:
        claim(rig, handler).done()
        rig.feeder.settle()
    rig.kafka.floor, rig.kafka.stands = 10, False
    rig.partitions.seek(Seek("orders", 0, offset=2))
    assert rig.kafka.asked[-1] == {PAIR: 2}
    rig.pushed = 2
    rig.push(3)
    rig.partitions.take()
    return handler


def test_what_a_handler_had_when_the_log_went_back_and_it_died_comes_again(rig: Any) -> None:
    rig.kafka.floor = rig.pushed = 1000
    rig.push(1)
    rig.partitions.take()
    first = rig.handler()
    claim(rig, first).finish(0, DONE)
    rig.kafka.floor = 1001
    rig.feeder.settle()
    rig.pushed = 500  # the topic was made anew, or cut off
    rig.push(3)
    rig.partitions.take()
    assert claim(rig, first).values[0].offset == 500
    rig.overseer.bury(first.seat, CRASH)
    rig.feeder.settle()
    assert rig.feeder.side.low_water(0) == 500, "nobody has executed these"
    assert claim(rig, rig.handler()).values[0].offset == 500


def test_nothing_is_placed_before_the_commit_of_a_seek_is_answered(rig: Any) -> None:
    sent_back(rig)
    assert rig.feeder.side.busy == 0, "the commit is on its way: it would come behind a transaction's"
    rig.partitions.committed({PAIR: 2}, "")
    rig.partitions.take()
    assert rig.feeder.side.busy == 3


def test_nothing_is_placed_either_when_it_was_refused_until_one_stands(rig: Any) -> None:
    sent_back(rig)
    rig.partitions.committed({PAIR: 2}, "the coordinator is loading")
    rig.partitions.take()
    assert rig.feeder.side.busy == 0
    rig.partitions.commit()
    assert rig.kafka.asked[-1] == {PAIR: 2}
    rig.partitions.committed({PAIR: 2}, "")
    rig.partitions.take()
    assert rig.feeder.side.busy == 3


def test_a_starting_position_whose_commit_is_refused_at_once_is_committed_later(rig: Any) -> None:
    def refuse(offsets: dict[Any, int], _timeout_s: float) -> bool:
        rig.partitions.committed(dict(offsets), "the client does not take it")
        return False

    rig.partitions.revoked([PAIR], lost=False)
    rig.kafka.commit_now = refuse
    rig.partitions.assigned("orders", 0, rig.queue, 5)
    rig.partitions.regrouped()
    rig.pushed = 5
    rig.push(3)
    rig.partitions.take()
    assert rig.feeder.side.busy == 0
    rig.partitions.commit()
    rig.partitions.committed({PAIR: 5}, "")
    rig.partitions.take()
    assert rig.feeder.side.busy == 3
