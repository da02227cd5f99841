"""A bulk job on a real queue file: it does what it was told, and ends when it is told."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from ringmain.clerk import actions
from ringmain.clerk.actions import Act, Copy
from ringmain.clerk.job import Task, Watcher, carry_out, counted
from ringmain.clerk.orders import Edit, Order
from ringmain.clerk.receipts import Receipts, begun, forget
from ringmain.clerk.records import Ledger, Record
from ringmain.clerk.role import expire
from ringmain.clock import monotonic_s
from ringmain.errors import DeadSetBusy
from ringmain.queues import names
from ringmain.queues.contract import DeadSet, Queues
from ringmain.queues.filters import Filter, Where
from ringmain.queues.sqlite import SqliteQueues
from support.dead_messages import died
from support.queue_backends import APP, DEAD, READY, message, offsets, publish, take_all

PLACES = {"orders": ("", "slow")}


@pytest.fixture
def queues(tmp_path: Path) -> Queues:
    return SqliteQueues(APP, tmp_path / "queues.db")


@pytest.fixture
def dead_set(queues: Queues) -> Iterator[DeadSet]:
    with closing(queues.publisher()) as publisher:
        publish(publisher, DEAD, map(died, range(100)))
    with closing(queues.dead_set()) as dead_set:
        yield dead_set


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(str(tmp_path / "state"))


def done(dead_set: DeadSet, ledger: Ledger, order: Order, act: Act, watcher: Watcher | None = None) -> Record:
    task = Task(order, act, dead_set.mark(), counted(dead_set, order))
    return carry_out(task, dead_set, ledger, watcher or Watcher())


def order(**fields: object) -> Order:
    known: dict[str, object] = {"action": "replay", "chosen": Filter(), "who": "ada"}
    return Order(**{**known, **fields})  # type: ignore[arg-type]


def ready(queues: Queues, queue: str = READY) -> list[int]:
    with closing(queues.taker([queue])) as taker:
        return offsets(take_all(taker))


def left(dead_set: DeadSet) -> list[int]:
    return [entry.offset for entry in dead_set.page(Filter(), 1000).entries]


def test_a_replay_moves_what_passes_and_says_so(queues: Queues, dead_set: DeadSet, ledger: Ledger) -> None:
    record = done(dead_set, ledger, order(chosen=Filter(error="KeyError")), actions.replaying(PLACES))
    assert (record.state, record.total, record.acted, record.failed) == ("done", 10, 10, 0)
    assert ready(queues) == list(range(0, 100, 10))
    assert left(dead_set) == [number for number in range(100) if number % 10]
    assert ledger.all() == [record]


def test_a_limit_is_the_oldest_so_many(queues: Queues, dead_set: DeadSet, ledger: Ledger) -> None:
    record = done(dead_set, ledger, order(limit=7), actions.replaying(PLACES))
    assert (record.total, record.acted) == (7, 7)
    assert ready(queues) == list(range(7))


def test_deleted_is_gone(queues: Queues, dead_set: DeadSet, ledger: Ledger) -> None:
    record = done(dead_set, ledger, order(action="delete"), actions.delete)
    assert (record.state, record.acted) == ("done", 100)
    assert left(dead_set) == ready(queues) == []


def test_an_edited_message_goes_out_edited(queues: Queues, dead_set: DeadSet, ledger: Ledger) -> None:
    act = actions.edited(actions.replaying(PLACES), Edit(b"mended"))
    done(dead_set, ledger, order(chosen=Filter(key=b"k5")), act)
    with closing(queues.taker([READY])) as taker:
        [delivery] = take_all(taker)
    assert delivery.envelope.value == b"mended"  # type: ignore[union-attr]


def test_what_nobody_would_take_stays_dead(queues: Queues, dead_set: DeadSet, ledger: Ledger) -> None:
    with closing(queues.publisher()) as publisher:
        publish(publisher, names.dead(APP, "gone"), [died(500)])
    record = done(dead_set, ledger, order(chosen=Filter(route="gone")), actions.replaying(PLACES))
    assert (record.acted, record.failed) == (0, 1)
    assert "route 'gone' is not in the config" in record.failures[0]
    assert 500 in left(dead_set)


class Printer:
    """A topic that takes all but some."""

    def __init__(self, refused: set[bytes | None]) -> None:
        self.refused = refused
        self.copies: list[Copy] = []

    def send(self, topic: str, batch: Sequence[Copy]) -> list[str]:
        """As Kafka's delivery reports."""
        self.copies += [copy for copy in batch if copy[2] not in self.refused]
        return ["too large" if copy[2] in self.refused else "" for copy in batch]


def test_the_log_tells_where_to_and_that_it_was_edited(
    dead_set: DeadSet, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    act = actions.republishing(Printer(set()), "repaired")
    done(dead_set, ledger, order(topic="repaired", edit=Edit(b"x"), chosen=Filter(key=b"k5")), act)
    lines = [record.__dict__ for record in caplog.records if record.message.startswith("dead set: job")]
    assert [(line["to_topic"], line["edited"]) for line in lines] == [("repaired", True)] * 2


def test_what_kafka_did_not_confirm_stays_dead(dead_set: DeadSet, ledger: Ledger) -> None:
    printer = Printer({b"k3", b"k4"})
    record = done(dead_set, ledger, order(topic="t", limit=6), actions.republishing(printer, "t"))
    assert (record.acted, record.failed) == (4, 2)
    assert left(dead_set)[:3] == [3, 4, 6]
    assert printer.copies[0] == ("orders", b'{"id":0}', b"k0", [("a", b"1"), ("a", None)], "orders:0:0")


def test_too_many_that_cannot_be_sent_stop_it(dead_set: DeadSet, ledger: Ledger) -> None:
    printer = Printer({b"k%d" % number for number in range(100)})
    record = done(
        dead_set, ledger, order(topic="t", rate=80.0, max_failed=20), actions.republishing(printer, "t")
    )
    assert (record.state, record.failed, record.acted) == ("stopped", 20, 0)


def test_too_many_that_are_dead_again_stop_it(queues: Queues, dead_set: DeadSet, ledger: Ledger) -> None:
    with closing(queues.publisher()) as publisher:
        replay = actions.replaying(PLACES)

        def replay_in_vain(hold: object, batch: object) -> object:
            acted = replay(hold, batch)  # type: ignore[arg-type]
            publish(publisher, DEAD, [died(dead.envelope.offset, replayed=True) for dead in batch])  # type: ignore[attr-defined]
            publish(publisher, DEAD, [died(1000, replayed=True), died(1001)])  # not of this job
            return acted

        record = done(dead_set, ledger, order(rate=40.0, max_failed=20), replay_in_vain)  # type: ignore[arg-type]
    assert (record.state, record.dead_again, record.failed) == ("stopped", 20, 0)


class EndsAfter(Watcher):
    """Somebody who presses Ctrl-C after so many."""

    def __init__(self, acted: int) -> None:
        self._acted = acted
        self._seen = 0

    def progressed(self, record: Record) -> None:
        """Count."""
        self._seen = record.acted

    def wants_end(self) -> bool:
        """Enough?"""
        return self._seen >= self._acted


def test_it_ends_between_two_batches_when_its_operator_says_so(
    queues: Queues, dead_set: DeadSet, ledger: Ledger
) -> None:
    record = done(dead_set, ledger, order(rate=40.0), actions.replaying(PLACES), EndsAfter(20))
    assert (record.state, record.acted) == ("cancelled", 20)
    assert ready(queues) == list(range(20))
    assert left(dead_set) == list(range(20, 100))


def test_it_ends_when_somebody_else_cancels_it_and_does_not_wait_for_its_rest(
    dead_set: DeadSet, ledger: Ledger
) -> None:
    class Another(Watcher):
        def progressed(self, record: Record) -> None:
            ledger.cancel(record.id)

    start_s = monotonic_s()
    record = done(dead_set, ledger, order(rate=0.01), actions.replaying(PLACES), Another())
    assert (record.state, record.acted) == ("cancelled", 1)
    assert monotonic_s() - start_s < 10


def test_a_rate_is_kept(dead_set: DeadSet, ledger: Ledger) -> None:
    start_s = monotonic_s()
    done(dead_set, ledger, order(rate=50.0), actions.replaying(PLACES))
    assert 1.5 <= monotonic_s() - start_s < 10


def test_of_two_jobs_the_second_does_nothing(queues: Queues, dead_set: DeadSet, ledger: Ledger) -> None:
    with closing(queues.dead_set()) as another:
        hold = another.hold("bob")
        with closing(hold), pytest.raises(DeadSetBusy, match="bob on "):
            done(dead_set, ledger, order(), actions.replaying(PLACES))
    assert ledger.all() == []


def test_what_has_been_dead_for_too_long_expires(dead_set: DeadSet, ledger: Ledger) -> None:
    assert expire(dead_set, ledger, "keep_s", 2_000_000) is None
    record = expire(dead_set, ledger, "keep_s", 2_000_040)
    assert record is not None
    assert (record.action, record.state, record.acted) == ("expire", "done", 40)
    assert left(dead_set) == list(range(40, 100))
    assert expire(dead_set, ledger, "keep_s", 2_000_040) is None


def test_what_does_not_say_when_it_died_is_never_too_old(queues: Queues, ledger: Ledger) -> None:
    with closing(queues.publisher()) as publisher:
        publish(publisher, DEAD, [died(1, failed_ms=0), died(2)])
    with closing(queues.dead_set()) as dead_set:
        assert expire(dead_set, ledger, "keep_s", 2_000_000) is None
        assert ledger.all() == []
        assert expire(dead_set, ledger, "keep_s", 3_000_000) is not None
        assert left(dead_set) == [1]


def test_a_receipt_counts_what_was_forgotten_in_which_queue(
    queues: Queues, dead_set: DeadSet, tmp_path: Path
) -> None:
    with closing(queues.publisher()) as publisher:
        publish(publisher, READY, map(message, range(10)))
        publish(publisher, names.delay(APP, "orders", 60), map(message, range(10)))
    chosen = Filter(where=(Where(("id",), "7"),))
    receipt = begun(APP, "ada", chosen)
    path = forget(queues, receipt, chosen, Receipts(str(tmp_path)))
    assert receipt.queues == {DEAD: 1, READY: 1, names.delay(APP, "orders", 60): 1}
    assert (receipt.messages, receipt.complete) == (3, True)
    assert {gone.message_id for gone in receipt.forgotten} == {"orders:0:7"}
    assert b'"expression":{"where":["id=7"]}' in path.read_bytes()
    assert 7 not in left(dead_set)
    assert 7 not in ready(queues)
    assert b'{"id":7}' not in (tmp_path / "queues.db").read_bytes()
