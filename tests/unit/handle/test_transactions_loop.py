"""The loop of a transactional route over a scripted transaction: who is to blame, who is heard meanwhile."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from ringmain import clock
from ringmain._fastpath import Outboxes
from ringmain.handle.resolve import is_counted
from ringmain.handle.transacted import Box
from ringmain.handle.transactions import Kafka, Transactions
from ringmain.kafka.producing import Offer
from ringmain.kafka.transacting import Step, TransactionOutlet
from ringmain.supervise.watch import HANDLER_BEAT_S
from ringmain.verdict import DONE, RETURNED

STOP_S = 20.0
CALL_S = 5.0


class Client:
    """What librdkafka's would be; `error`: what it says to whoever sends."""

    def __init__(self, error: KafkaError | None = None) -> None:
        self.error = error
        self.sent: list[tuple[Any, ...]] = []

    def __len__(self) -> int:
        return 0

    def produce(self, *what: Any, **_: Any) -> None:
        if self.error is not None:
            raise KafkaException(self.error)
        self.sent.append(what)


def outlet(boxes: Outboxes, transaction: Any) -> TransactionOutlet:
    offer = Offer("c", {}, lambda value, _topic: bytes(value))  # type: ignore[call-overload]
    return TransactionOutlet("out", offer, boxes.present, transaction)


def test_what_a_failed_transaction_does_not_take_is_no_fault_of_the_call_that_sends_it() -> None:
    boxes = Outboxes(Box)
    out = outlet(boxes, SimpleNamespace(client=Client(KafkaError(KafkaError._STATE)), id="t"))
    boxes.begin()
    out.send("bills", b"x", None, None)
    box = boxes.end()
    assert box is not None
    assert box.lost is not None
    assert not is_counted(box.lost), "an innocent message would use up an attempt"


def test_a_client_that_was_made_anew_is_the_one_that_sends() -> None:
    boxes, transaction = Outboxes(Box), SimpleNamespace(client=Client(), id="t")
    out = outlet(boxes, transaction)
    transaction.client = Client()
    boxes.begin()
    out.send("bills", b"x", None, None)
    assert len(transaction.client.sent) == 1


class Batch:
    """Messages of one claim."""

    def __init__(self, count: int) -> None:
        self.values = [SimpleNamespace(offset=n, topic="in", partition=0) for n in range(count)]
        self.verdicts: dict[int, int] = {}
        self.executed = count

    def __len__(self) -> int:
        return len(self.values)

    def begin_call(self, n: int) -> None: ...
    def end_call(self) -> None: ...

    def member(self) -> bytes:
        return b"member"

    def finish(self, n: int, verdict: int, _detail: bytes = b"") -> None:
        self.verdicts[n] = verdict


class Scripted:
    """A transaction that goes well; `offsets`: what sending an offset ends with, `topic`: which it names."""

    id = "t"

    def __init__(self, offsets: Step = Step.DONE, topic: str = "") -> None:
        self.refused_topic, self._topic, self._offsets = "", topic, offsets

    def step(self) -> Step:
        return Step.DONE

    prepare = begin = commit = abort = step

    def flush(self, _timeout_s: float) -> None: ...

    def send_offset(self, _place: object, _member: bytes) -> Step:
        self.refused_topic = self._topic
        return self._offsets


class Stage:
    """The loop with one claim, on a clock of its own."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, call: Callable[[Outboxes], object], count: int
    ) -> None:
        self.now_s, self.beats_s, self.batch = 100.0, [100.0], Batch(count)
        monkeypatch.setattr(clock, "monotonic_s", lambda: self.now_s)
        monkeypatch.setattr(clock, "sleep_s", self.pass_s)
        side = SimpleNamespace(batch=lambda *_: self.batch, flush=lambda: None)
        self.work = SimpleNamespace(
            side=side, over=False, exit_code=None, room=500, end_by_s=1e9, beat=self.beat,
            leave_if_forked=lambda: None,
        )  # fmt: skip
        self.boxes, self.call = Outboxes(Box), call
        self.ended: list[tuple[bool, float]] = []

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds

    def beat(self) -> None:
        self.beats_s.append(self.now_s)
        self.work.over = self.now_s > 100.0 + STOP_S

    def serve(self, monkeypatch: pytest.MonkeyPatch, transaction: Scripted) -> None:
        monkeypatch.setattr("ringmain.handle.transactions.Calls", lambda _plan: self)
        monkeypatch.setattr("ringmain.handle.transactions.gathering", lambda _plan: None)
        monkeypatch.setattr("ringmain.handle.transactions.count_transaction", self.count)
        settings = SimpleNamespace(batch=SimpleNamespace(messages=500))
        kafka = Kafka(transaction, None, Step)  # type: ignore[arg-type]
        plan: Any = SimpleNamespace(settings=settings)
        transacting: Any = SimpleNamespace(plan=plan, kafka=kafka, boxes=self.boxes)
        Transactions(self.work, transacting).serve()  # type: ignore[arg-type]

    def count(self, _side: object, stands: bool, took_s: float) -> None:
        self.ended.append((stands, took_s))

    # -- as its Calls

    def present(self) -> None: ...

    def execute(self, _message: object) -> tuple[int, bytes]:
        self.call(self.boxes)
        return DONE, b""


def test_offsets_that_are_refused_for_want_of_a_right_are_no_fault_of_the_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(monkeypatch, Outboxes.present, 1)
    stage.serve(monkeypatch, Scripted(Step.REFUSED, "Broker: Topic authorization failed"))
    assert stage.batch.verdicts == {0: RETURNED}
    assert stage.ended == [(False, 0.0)]


def test_between_slow_calls_of_one_claim_the_process_shows_life_and_hears_a_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def slow(_boxes: Outboxes) -> None:
        stage.pass_s(CALL_S)

    stage = Stage(monkeypatch, slow, 40)
    stage.serve(monkeypatch, Scripted())
    last_s = stage.now_s
    gaps = [later - one for one, later in zip(stage.beats_s, [*stage.beats_s[1:], last_s], strict=True)]
    assert max(gaps) <= HANDLER_BEAT_S, "silent between calls: killed as stuck, within its commit"
    assert last_s < 100.0 + STOP_S + 3 * CALL_S, "a stop is heard after the present transaction"
    assert stage.batch.verdicts[39] == RETURNED
    assert set(stage.ended) == {(True, CALL_S)}
