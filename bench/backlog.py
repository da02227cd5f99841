"""Topics full of messages whose count and checksum are known, held back until the client is up.

The stage enters. A backlog is written in one open transaction behind a few messages for warming up: a client
starts, joins, handles those and comes to rest, and the commit then lets it see all the rest at once. So no
figure contains an import, a rebalance or a prefetch, and the messages are in the page cache.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Producer
from messages import message

from support.kafka_server import KafkaServer

WARM_UP = 400
TRANSACTION_S = 600


@dataclass(frozen=True)
class Backlog:
    """A topic with messages 0 to count - 1, dealt to its partitions in turn."""

    topic: str
    partitions: int
    count: int

    @property
    def checksum(self) -> int:
        return self.count * (self.count - 1) // 2


@dataclass(frozen=True)
class Held:
    """A backlog of which only the first messages can be read, until it is released."""

    backlog: Backlog
    readable: int
    _producer: Producer

    def release(self) -> None:
        self._producer.commit_transaction(60)


@dataclass
class Backlogs:
    """The backlogs of one server."""

    server: KafkaServer
    _made: dict[tuple[int, int], Backlog] = field(default_factory=dict)

    def open(self, partitions: int, count: int) -> Backlog:
        """A backlog that anybody may read at once; produced when first asked for."""
        if (partitions, count) not in self._made:
            topic = self.server.create_topic(partitions=partitions)
            self.server.produce(topic, _messages(partitions, range(count)))
            self._made[partitions, count] = Backlog(topic, partitions, count)
        return self._made[partitions, count]

    @contextmanager
    def held(self, partitions: int, count: int) -> Iterator[Held]:
        """A backlog of `count` messages and the warm-up's; deleted at the end."""
        topic = self.server.create_topic(partitions=partitions)
        self.server.produce(topic, _messages(partitions, range(WARM_UP)))
        producer = self._transactional(topic)
        for one in _messages(partitions, range(WARM_UP, WARM_UP + count)):
            _produce(producer, topic, one)
        producer.flush()
        try:
            yield Held(Backlog(topic, partitions, WARM_UP + count), WARM_UP, producer)
        finally:
            self.server.delete_topic(topic)

    def _transactional(self, name: str) -> Producer:
        properties: dict[str, Any] = {
            "bootstrap.servers": self.server.bootstrap,
            "transactional.id": name,
            "transaction.timeout.ms": TRANSACTION_S * 1000,
            "linger.ms": 20,
            "batch.size": 200_000,
            "log_level": 0,
        }
        producer = Producer(properties)
        producer.init_transactions(30)
        producer.begin_transaction()
        return producer


def _produce(producer: Producer, topic: str, fields: dict[str, Any]) -> None:
    while True:
        try:
            producer.produce(topic, **fields)
            return
        except BufferError:
            producer.poll(0.05)


def _messages(partitions: int, numbers: range) -> Iterator[dict[str, Any]]:
    return ({"value": message(number), "partition": number % partitions} for number in numbers)
