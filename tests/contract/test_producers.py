"""Producers on a real Kafka: what arrives, what each `acks` says, and how each failure is told."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from ringmain import DeliveryFailed, Producer
from ringmain._fastpath import Outbox
from ringmain.kafka.outlets import Outlets
from ringmain.kafka.producing import KafkaOutlet, Offer
from ringmain.kafka.producing_elsewhere import LoopOutlet, ThreadsOutlet
from support.kafka_server import KafkaServer
from support.ports import free_ports
from support.topic_contents import contents, values
from support.waiting import eventually

DEADLINE_S = 30.0


def encoded(value: object, _topic: str) -> bytes:
    return msgspec.json.encode(value)


class Sender:
    """A producer as a process has it, and the outbox of its one call."""

    def __init__(self, properties: dict[str, str], make: Callable[..., KafkaOutlet], direct: bool) -> None:
        self.box = Outbox()
        offer = Offer("test.out", properties, encoded, direct=direct)
        self.outlets = Outlets({"out": offer}, lambda name, one: make(name, one, lambda: self.box))
        self.producer = Producer("out", "app.py:1")
        self.producer.open_by(self.outlets.open)
        self.send = self.producer.send


@pytest.fixture(params=[True, False], ids=["letters", "client"])
def sender(kafka: KafkaServer, request: pytest.FixtureRequest) -> Iterator[Callable[..., Sender]]:
    """Both ways into librdkafka keep the same promises."""
    made: list[Sender] = []

    def make(
        bootstrap: str = "", make: Callable[..., KafkaOutlet] = KafkaOutlet, **properties: str
    ) -> Sender:
        named = {name.replace("__", "."): value for name, value in properties.items()}
        servers = {"bootstrap.servers": bootstrap or kafka.bootstrap}
        made.append(Sender({**servers, **named}, make, request.param))
        return made[-1]

    yield make
    for one in made:
        one.outlets.close()


def test_a_message_arrives_as_it_was_sent(kafka: KafkaServer, sender: Any) -> None:
    topic = kafka.create_topic(partitions=3)
    headers = [("a", b"1"), ("a", b"2"), ("none", None)]
    sent = sender().send(topic, b"value", "key", partition=2, headers=headers, timestamp_ms=1_700_000_000_000)
    where = sent.result(DEADLINE_S)
    assert (where.topic, where.partition, where.offset) == (topic, 2, 0)
    [found] = contents(kafka, topic)
    assert (found.value(), found.key(), found.partition()) == (b"value", b"key", 2)
    assert found.headers() == headers
    assert found.timestamp()[1] == 1_700_000_000_000


def test_none_is_a_tombstone_and_empty_is_not(kafka: KafkaServer, sender: Any) -> None:
    topic = kafka.create_topic()
    one = sender()
    one.send(topic, None, b"gone")
    one.send(topic, b"", b"empty").result(DEADLINE_S)
    assert values(kafka, topic) == [None, b""]


def test_anything_else_is_encoded(kafka: KafkaServer, sender: Any) -> None:
    topic = kafka.create_topic()
    sender().send(topic, {"id": 1}).result(DEADLINE_S)
    assert values(kafka, topic) == [b'{"id":1}']


def test_a_key_decides_the_partition(kafka: KafkaServer, sender: Any) -> None:
    topic = kafka.create_topic(partitions=4)
    one = sender()
    sent = [one.send(topic, b"x", f"key {number % 5}") for number in range(50)]
    places = {number % 5: delivery.result(DEADLINE_S).partition for number, delivery in enumerate(sent)}
    assert all(sent[number].result().partition == places[number % 5] for number in range(50))


@pytest.mark.parametrize(("acks", "offset"), [("all", 0), ("-1", 0), ("1", 0), ("0", -1)])
def test_each_acks_is_passed_through(kafka: KafkaServer, sender: Any, acks: str, offset: int) -> None:
    topic = kafka.create_topic()
    one = sender(acks=acks)
    assert one.send(topic, b"x").result(DEADLINE_S).offset == offset
    # With acks=0 the report is there before the broker has it.
    eventually(lambda: len(values(kafka, topic)) == 1)


def test_an_outbox_is_empty_once_all_of_it_is_delivered(kafka: KafkaServer, sender: Any) -> None:
    topic = kafka.create_topic()
    one = sender()
    emptied: list[Outbox] = []
    for number in range(1000):
        one.send(topic, str(number).encode())
    one.box.call_when_empty(emptied.append)
    assert emptied == []
    assert one.outlets.flush(DEADLINE_S) == 0
    assert emptied == [one.box]
    assert values(kafka, topic) == [str(number).encode() for number in range(1000)]


def test_a_queue_that_is_full_is_waited_for_and_nothing_is_lost(kafka: KafkaServer, sender: Any) -> None:
    topic = kafka.create_topic()
    one = sender(queue__buffering__max__messages="10")
    for number in range(500):
        one.send(topic, str(number).encode())
    assert one.outlets.flush(DEADLINE_S) == 0
    assert values(kafka, topic) == [str(number).encode() for number in range(500)]


def test_a_message_that_the_client_finds_too_large_fails_at_once(kafka: KafkaServer, sender: Any) -> None:
    one = sender()
    sent = one.send(kafka.create_topic(), b"x" * 1_500_000)
    assert sent.done
    with pytest.raises(DeliveryFailed, match="1500000 bytes is too large"):
        sent.result()


def test_a_message_that_the_topic_finds_too_large_fails_and_the_next_does_not(
    kafka: KafkaServer, sender: Any
) -> None:
    topic = kafka.create_topic(max__message__bytes=2000)
    one = sender()
    with pytest.raises(DeliveryFailed, match="5000 bytes is too large"):
        one.send(topic, b"x" * 5000).result(DEADLINE_S)
    one.send(topic, b"fits").result(DEADLINE_S)
    assert values(kafka, topic) == [b"fits"]


def test_a_topic_that_does_not_exist_is_told(sender: Any) -> None:
    one = sender(topic__metadata__propagation__max__ms="500")
    with pytest.raises(DeliveryFailed, match=r"'nowhere': there is no such topic") as failed:
        one.send("nowhere", b"x").result(DEADLINE_S)
    assert not failed.value.away


def test_a_kafka_that_is_away_is_told_in_time_and_blames_no_message(sender: Any) -> None:
    (port,) = free_ports(1)
    one = sender(f"127.0.0.1:{port}", message__timeout__ms="500")
    with pytest.raises(DeliveryFailed, match="has not confirmed it in time") as failed:
        one.send("anywhere", b"x").result(DEADLINE_S)
    assert failed.value.away


def test_who_does_not_wait_long_enough_is_told_that(sender: Any) -> None:
    (port,) = free_ports(1)
    sent = sender(f"127.0.0.1:{port}").send("anywhere", b"x")
    with pytest.raises(TimeoutError, match=r"not delivered within 0\.1 s"):
        sent.result(0.1)
    assert not sent.done


def test_on_a_loop_deliveries_are_awaited_and_a_full_queue_makes_a_line(
    kafka: KafkaServer, sender: Any
) -> None:
    topic = kafka.create_topic()

    async def send_many() -> None:
        def make(name: str, offer: Offer, boxes: Any) -> LoopOutlet:
            return LoopOutlet(name, offer, boxes, asyncio.get_running_loop())

        one = sender(make=make, queue__buffering__max__messages="10")
        sent = [one.send(topic, str(number).encode()) for number in range(500)]
        assert [(await delivery).offset for delivery in sent] == list(range(500))
        with pytest.raises(DeliveryFailed, match="no such partition"):
            await one.send(topic, b"x", partition=9)

    asyncio.run(send_many())
    assert values(kafka, topic) == [str(number).encode() for number in range(500)]


def test_in_threads_each_waits_for_its_own(kafka: KafkaServer, sender: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    topic = kafka.create_topic()
    one = sender(make=ThreadsOutlet)
    with ThreadPoolExecutor(8) as pool:
        offsets = list(
            pool.map(lambda n: one.send(topic, str(n).encode()).result(DEADLINE_S).offset, range(200))
        )
    assert sorted(offsets) == list(range(200))
    assert sorted(values(kafka, topic)) == sorted(str(number).encode() for number in range(200))
