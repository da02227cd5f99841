"""Transactions on a real Kafka: what stands, what does not, who is fenced, and how each step is told."""

from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer

from ringmain._fastpath import Outbox
from ringmain.kafka.producing import Offer
from ringmain.kafka.transacting import Step, Transaction, TransactionOutlet
from support.kafka_server import KafkaServer
from support.topic_contents import values
from support.waiting import eventually

Make = Callable[[str], Transaction]


@pytest.fixture
def made(kafka: KafkaServer) -> Iterator[Make]:
    all_made: list[Transaction] = []

    def make(id_: str) -> Transaction:
        all_made.append(Transaction(id_, {"bootstrap.servers": kafka.bootstrap}, 30.0))
        prepared = all_made[-1]
        eventually(prepared.prepare, message="what was open has ended")
        return prepared

    yield make
    for one in all_made:
        one.close()


def send(transaction: Transaction, topic: str, value: bytes) -> Outbox:
    box = Outbox()
    offer = Offer("test", {}, lambda _value, _topic: b"")
    TransactionOutlet("out", offer, lambda: box, transaction).send(topic, value, None, None)
    return box


def member(kafka: KafkaServer, group: str, topic: str) -> Consumer:
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": group,
            "enable.auto.commit": "false",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    eventually(lambda: (consumer.poll(0.1), consumer.assignment())[1], message="it is a member")
    return consumer


def test_what_is_committed_is_seen_and_what_is_aborted_is_not(kafka: KafkaServer, made: Make) -> None:
    topic, one = kafka.create_topic(), made("tx-seen")
    for value, end in ((b"kept", one.commit), (b"dropped", one.abort), (b"kept too", one.commit)):
        assert one.begin() is Step.DONE
        send(one, topic, value)
        assert end() is Step.DONE
    assert values(kafka, topic) == [b"kept", b"kept too"]


def test_who_comes_later_with_the_same_id_ends_the_one_before(kafka: KafkaServer, made: Make) -> None:
    topic, one = kafka.create_topic(), made("tx-fenced")
    one.begin()
    box = send(one, topic, b"never seen")
    while box.waiting:
        one.flush(0.1)
    other = made("tx-fenced")
    assert one.commit() is Step.LOST
    other.begin()
    send(other, topic, b"seen")
    assert other.commit() is Step.DONE
    assert values(kafka, topic) == [b"seen"]


def test_an_offset_stands_with_its_transaction_and_not_before(kafka: KafkaServer, made: Make) -> None:
    source, topic, one = kafka.create_topic(), kafka.create_topic(), made("tx-offset")
    kafka.produce(source, [b"in"])
    consumer = member(kafka, "tx-group", source)
    one.begin()
    send(one, topic, b"out")
    assert one.send_offset((source, 0, 1), bytes(consumer.consumer_group_metadata())) is Step.DONE
    assert one.abort() is Step.DONE
    assert kafka.committed("tx-group", source) == {}
    one.begin()
    send(one, topic, b"out")
    assert one.send_offset((source, 0, 1), bytes(consumer.consumer_group_metadata())) is Step.DONE
    assert one.commit() is Step.DONE
    assert kafka.committed("tx-group", source) == {0: 1}
    consumer.close()


def test_the_word_of_a_member_that_has_left_is_refused(kafka: KafkaServer, made: Make) -> None:
    source, topic, one = kafka.create_topic(), kafka.create_topic(), made("tx-zombie")
    kafka.produce(source, [b"in"])
    consumer = member(kafka, "tx-zombies", source)
    word = bytes(consumer.consumer_group_metadata())
    consumer.close()
    heir = member(kafka, "tx-zombies", source)
    one.begin()
    send(one, topic, b"out")
    assert one.send_offset((source, 0, 1), word) is Step.REFUSED
    assert one.abort() is Step.DONE
    assert values(kafka, topic) == []
    heir.close()
