"""Messages past the client's Python: none is forgotten, whoever lets go of what, and whatever is said."""

import asyncio
import contextlib
import gc
import json
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from enum import StrEnum
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, cimpl

from ringmain import DeliveryFailed, Producer
from ringmain._fastpath import Letters, Outbox
from ringmain.codec import ByValue
from ringmain.kafka.mail import Mail
from ringmain.kafka.outlets import Outlets
from ringmain.kafka.producing import KafkaDelivery, KafkaOutlet, Offer, told
from ringmain.kafka.producing_elsewhere import LoopOutlet
from support.kafka_server import KafkaServer
from support.ports import free_ports
from support.topic_contents import contents, values
from support.waiting import eventually

DEADLINE_S = 30.0
NOWHERE = {"topic.metadata.propagation.max.ms": "500"}


class Stage:
    """One producer, its outlet, and the outbox of whatever call is just sending."""

    def __init__(self, bootstrap: str, encode: Any, properties: dict[str, str]) -> None:
        self.box: Outbox | None = Outbox()
        self.failures: list[str] = []
        offer = Offer("test.out", {"bootstrap.servers": bootstrap, **properties}, encode)
        self.outlets = Outlets({"out": offer}, self._made)
        self.producer = Producer("out", "app.py:1")
        self.producer.open_by(self.outlets.open)
        self.outlet = self.outlets.open(self.producer)

    def _made(self, name: str, offer: Offer) -> KafkaOutlet:
        return KafkaOutlet(name, offer, lambda: self.box)

    @property
    def letters(self) -> Letters:
        mail = self.outlet._mail
        assert mail.letters is not None, "this client cannot be reached past its Python"
        return mail.letters


@pytest.fixture
def stage(kafka: KafkaServer) -> Iterator[Callable[..., Stage]]:
    made: list[Stage] = []

    def make(bootstrap: str = "", encode: Any = lambda *_: b"encoded", **properties: str) -> Stage:
        made.append(Stage(bootstrap or kafka.bootstrap, encode, properties))
        return made[-1]

    yield make
    for one in made:
        one.outlets.close()


def test_what_nobody_holds_is_counted_all_the_same(kafka: KafkaServer, stage: Any) -> None:
    topic, one = kafka.create_topic(), stage()
    for number in range(1000):
        one.producer.send(topic, b"%d" % number, "key")
    assert one.letters.out == 1000 - len(one.letters.collect())
    assert one.outlets.flush(DEADLINE_S) == 0
    assert (one.box.waiting, one.box.failed, one.letters.out) == (0, [], 0)
    assert values(kafka, topic) == [b"%d" % number for number in range(1000)]


def test_a_failure_of_what_nobody_holds_is_the_outboxs(stage: Any) -> None:
    one = stage(**NOWHERE)
    for _ in range(3):
        one.producer.send("nowhere", b"x")
    assert one.outlets.flush(DEADLINE_S) == 0
    assert ["no such topic" in str(failure) for failure in one.box.failed] == [True] * 3
    assert one.letters.out == 0


def test_a_failure_that_is_nobodys_is_said(stage: Any, caplog: pytest.LogCaptureFixture) -> None:
    one = stage(**NOWHERE)
    one.box = None
    one.producer.send("nowhere", b"x")
    assert one.outlets.flush(DEADLINE_S) == 0
    gc.collect()
    assert [line.message for line in caplog.records if line.levelname == "ERROR"] == ["message not delivered"]


def test_what_is_given_up_has_failed_and_leaves_nothing_behind(stage: Any) -> None:
    (port,) = free_ports(1)
    one = stage(f"127.0.0.1:{port}")
    kept = [one.producer.send("anywhere", b"x") for _ in range(10)]
    one.outlets.close()
    assert one.letters.out == 0
    assert all(sent.done for sent in kept)
    assert len(one.box.failed) == 10
    with pytest.raises(DeliveryFailed, match="this process ended first"):
        kept[0].result()
    assert len(one.box.failed) == 9, "who was told of it has judged"


def test_a_client_that_ends_with_letters_under_way_leaves_nobody_hanging(stage: Any) -> None:
    (port,) = free_ports(1)
    one = stage(f"127.0.0.1:{port}")
    sent = one.producer.send("anywhere", b"x")
    one.outlets._open = {}
    one.outlet = None
    one.producer.open_by(None)
    gc.collect()
    assert not sent.done
    with pytest.raises(TimeoutError):
        sent.result(0.1)


def test_a_delivery_that_is_just_going_is_not_taken_up_again(kafka: KafkaServer, stage: Any) -> None:
    """The interpreter puts the end of what hangs deep off, and lets other code run before it."""
    topic, one = kafka.create_topic(), stage()

    class Collects:
        def __del__(self) -> None:
            one.outlets.flush(DEADLINE_S)

    for depth in range(40, 60):  # one of them is just as deep as that
        chain: Any = one.producer.send(topic, b"x")
        for _ in range(depth):
            chain = [chain]
        chain = [Collects(), *chain]
        del chain
    assert (one.box.waiting, one.letters.out) == (0, 0)


@pytest.mark.parametrize("key", [None, "", b"", "text", b"bytes", "ütf"])
def test_keys_and_values_arrive_as_they_are(kafka: KafkaServer, stage: Any, key: bytes | str | None) -> None:
    topic, one = kafka.create_topic(), stage()
    for value in (b"", b"x", b"\0" * 10, b"x" * 100_000):
        one.producer.send(topic, value, key).result(DEADLINE_S)
    expected = key.encode() if isinstance(key, str) else key
    found = contents(kafka, topic)
    assert [message.key() for message in found] == [expected] * 4
    assert [message.value() for message in found] == [b"", b"x", b"\0" * 10, b"x" * 100_000]
    assert one.letters.out == 0


class Blob(bytes):
    """Bytes by another name."""


def test_what_is_made_of_bytes_is_sent_as_it_is(kafka: KafkaServer, stage: Any) -> None:
    topic, one = kafka.create_topic(), stage()
    for _ in range(3):  # the first one opens the producer, and goes another way
        one.producer.send(topic, Blob(b"as it is"))
    assert one.outlets.flush(DEADLINE_S) == 0
    assert values(kafka, topic) == [b"as it is"] * 3


def test_a_value_is_encoded_once_whatever_comes_of_it(kafka: KafkaServer, stage: Any) -> None:
    """A codec that makes text of a value is taken at its word."""
    topic, one = kafka.create_topic(), stage(encode=ByValue(json.dumps))  # type: ignore[arg-type]
    for _ in range(3):
        one.producer.send(topic, [1])
    assert one.outlets.flush(DEADLINE_S) == 0
    assert values(kafka, topic) == [b"[1]"] * 3


def test_a_topic_may_be_of_a_class_made_of_text(kafka: KafkaServer, stage: Any) -> None:
    topic, one = StrEnum("Topics", {"BILLS": kafka.create_topic()}).BILLS, stage()  # type: ignore[attr-defined]
    sent = [one.producer.send(topic, b"x", partition=partition) for partition in (None, 0, None)]
    assert [delivery.result(DEADLINE_S).topic for delivery in sent] == [topic] * 3


@pytest.mark.parametrize(
    ("topic", "key", "error"),
    [
        ("nul\0", None, ValueError),
        (b"bytes", None, TypeError),
        ("fine", 7, TypeError),
        ("fine", "\ud800", UnicodeEncodeError),
        ("\ud800", None, UnicodeEncodeError),
    ],
)
def test_what_is_no_topic_or_key_is_told_to_who_sends_it(
    stage: Any, topic: Any, key: Any, error: Any
) -> None:
    one = stage()
    with pytest.raises(error):
        one.producer.send(topic, b"x", key)
    assert (one.box.waiting, one.box.failed, len(one.outlet._mail)) == (0, [], 0)


def test_topics_in_turn_arrive_each_in_its_own(kafka: KafkaServer, stage: Any) -> None:
    topics, one = [kafka.create_topic(), kafka.create_topic()], stage()
    for number in range(300):
        one.producer.send("".join(topics[number % 2]), b"%d" % number)
    assert one.letters.out + len(one.letters.collect()) == 300
    assert one.outlets.flush(DEADLINE_S) == 0
    for which, topic in enumerate(topics):
        assert values(kafka, topic) == [b"%d" % number for number in range(which, 300, 2)]


def test_who_sends_in_the_middle_of_it_sends_to_his_own_topic(kafka: KafkaServer, stage: Any) -> None:
    topic, aside, one = kafka.create_topic(), kafka.create_topic(), stage()

    class Garbage:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            one.producer.send(aside, b"aside")

    thresholds = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for number in range(300):
            Garbage()
            one.producer.send(topic, b"%d" % number)
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    assert one.outlets.flush(DEADLINE_S) == 0
    assert values(kafka, topic) == [b"%d" % number for number in range(300)]
    assert values(kafka, aside) == [b"aside"] * 300


def test_a_topic_that_comes_to_be_later_is_found(kafka: KafkaServer, stage: Any) -> None:
    topic, one = f"later-{uuid.uuid4().hex}", stage(**NOWHERE)
    with pytest.raises(DeliveryFailed, match="no such topic"):
        one.producer.send(topic, b"early").result(DEADLINE_S)
    kafka.create_topic(topic)

    def arrives() -> bool:
        with contextlib.suppress(DeliveryFailed):
            return bool(one.producer.send(topic, b"late").result(DEADLINE_S))
        return False

    eventually(arrives, DEADLINE_S)
    assert set(values(kafka, topic)) == {b"late"}


def test_a_name_that_is_none_is_refused_in_the_clients_words(stage: Any) -> None:
    one = stage()
    with pytest.raises(DeliveryFailed, match="Invalid"):
        one.producer.send("x" * 600, b"1").result(DEADLINE_S)
    assert one.letters.out == 0


def test_both_ways_keep_one_order(kafka: KafkaServer, stage: Any) -> None:
    topic, one = kafka.create_topic(), stage()
    for number in range(300):
        headers = [("n", b"1")] if number % 3 == 0 else None
        one.producer.send(topic, b"%d" % number, headers=headers)
    assert one.outlets.flush(DEADLINE_S) == 0
    assert values(kafka, topic) == [b"%d" % number for number in range(300)]


def test_a_waiter_that_raises_costs_no_other_its_report(kafka: KafkaServer, stage: Any) -> None:
    topic, one = kafka.create_topic(), stage()

    def trip() -> None:
        raise RuntimeError("tripped")

    sent = [one.producer.send(topic, b"x") for _ in range(100)]
    for n in range(0, 100, 7):
        sent[n].wake(trip)

    def served() -> bool:
        try:
            return bool(one.outlets.flush(0.1) == 0)
        except RuntimeError:
            return False

    assert eventually(served)
    assert all(delivery.done for delivery in sent)
    assert one.box.waiting == 0


def test_on_a_loop_a_waiter_that_raises_keeps_nobody_waiting(kafka: KafkaServer) -> None:
    topic = kafka.create_topic(partitions=2)

    def trip() -> None:
        raise RuntimeError("tripped")

    async def send_two() -> None:
        loop, tripped = asyncio.get_running_loop(), list[str]()
        loop.set_exception_handler(lambda _loop, what: tripped.append(str(what["exception"])))
        offer = Offer("test.out", {"bootstrap.servers": kafka.bootstrap}, lambda *_: b"")
        outlet = LoopOutlet("out", offer, lambda: None, loop)
        outlet.send(topic, b"first", None, {"partition": 0}).wake(trip)
        second = outlet.send(topic, b"second", None, {"partition": 1})
        await asyncio.wait_for(second, DEADLINE_S)
        await asyncio.to_thread(eventually, lambda: tripped == ["tripped"])
        outlet.close()

    asyncio.run(send_two())


def test_a_client_that_is_beyond_repair_says_so_to_the_next_who_sends() -> None:
    """confluent_kafka raises a fatal error out of whatever poll() happens to serve it."""

    class Client:
        produce = None

        def poll(self, _timeout_s: float) -> int:
            raise KafkaException(KafkaError(KafkaError.CLUSTER_AUTHORIZATION_FAILED, "not you", fatal=True))

    said: list[KafkaError] = []
    mail = Mail(Client(), said.append, told)  # type: ignore[arg-type]
    assert mail.poll(0)
    assert mail.broken
    assert [error.str() for error in said] == ["not you"]


def test_two_threads_may_tell_of_what_came_back() -> None:
    """The last one is another's between a look and the taking."""

    class Raced(deque[Any]):
        def __bool__(self) -> bool:
            return True

    class Client:
        produce = None

        def poll(self, _timeout_s: float) -> int:
            return 0

    told: list[Any] = []
    letters = SimpleNamespace(post=None, collect=lambda: [("one", 0, 1), ("two", 0, 1)])
    mail = Mail(Client(), told.append, lambda *report: told.append(report), letters)  # type: ignore[arg-type]
    mail._back = Raced()
    mail.poll(0)
    assert told == letters.collect()


def test_letters_make_deliveries_and_nothing_else() -> None:
    with pytest.raises(TypeError, match="int is not made of Posted"):
        Letters(int)  # type: ignore[type-var]
    letters = Letters(KafkaDelivery)
    assert letters.bind(cimpl.__file__)
    assert not letters.capture(object())
    assert letters.reason == "the plugin was not handed this producer's handle"


def test_a_client_of_another_build_sends_all_the_same_and_says_it_once(
    kafka: KafkaServer, stage: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    unreachable = SimpleNamespace(bind=lambda _: False, capture=lambda _: False, reason="another build")
    monkeypatch.setattr("ringmain.kafka.mail.Letters", lambda _kind: unreachable)
    topic, one = kafka.create_topic(), stage()
    for number in range(10):
        one.producer.send(topic, b"%d" % number)
    assert one.outlets.flush(DEADLINE_S) == 0
    assert values(kafka, topic) == [b"%d" % number for number in range(10)]
    said = [line for line in caplog.records if "Python objects" in line.message]
    assert [line.__dict__["reason"] for line in said] == ["another build"]
