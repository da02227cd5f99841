"""What a test asks of a Kafka server: topics, messages in, end and committed offsets.

Enters whoever has a bootstrap address: the real server here, the embedded broker elsewhere. Nothing is read
here: that is what the code under test does.
"""

import random
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.cimpl import NewPartitions, NewTopic

from support.waiting import eventually

ANSWER_DEADLINE_S = 15.0
FLUSH_DEADLINE_S = 60.0
COORDINATOR_IS_COMING = (
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
)

# One message: a value, (key, value), or the keyword arguments of confluent_kafka.Producer.produce.
Item = bytes | str | tuple[bytes | str | None, bytes | str | None] | Mapping[str, Any]


class KafkaClient:
    """Asks a server at `bootstrap`; its clients are made when first needed."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._admin_client: AdminClient | None = None
        self._producer_client: Producer | None = None
        self._asker: Consumer | None = None
        self._asked_of = ""
        self._asking = threading.Lock()

    def ready(self) -> bool:
        """Does the server answer and know itself as a broker?"""
        try:
            return bool(self._admin().list_topics(timeout=2.0).brokers)
        except KafkaException:
            return False

    def create_topic(self, name: str = "", partitions: int = 1, **config: object) -> str:
        """Create a topic and wait until it is known; no name = a new one. Write a property's dots as `__`."""
        name = name or f"t{random.getrandbits(48):012x}"
        properties = {key.replace("__", "."): str(value) for key, value in config.items()}
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=properties)
        self._admin().create_topics([topic])[name].result(ANSWER_DEADLINE_S)
        self._wait_for_partitions(name, partitions)
        return name

    def add_partitions(self, name: str, total: int) -> None:
        """Grow a topic to `total` partitions."""
        self._admin().create_partitions([NewPartitions(name, total)])[name].result(ANSWER_DEADLINE_S)
        self._wait_for_partitions(name, total)

    def delete_topic(self, name: str) -> None:
        self._admin().delete_topics([name])[name].result(ANSWER_DEADLINE_S)

    def produce(self, topic: str, items: Iterable[Item], **defaults: Any) -> int:
        """Send all, wait until every one is acknowledged, return how many. `defaults`: e.g. partition=2."""
        producer = self._producer()
        failures: list[KafkaError] = []
        count = 0
        for item in items:
            self._produce_one(producer, {"topic": topic, **defaults, **_fields(item)}, failures)
            count += 1
        left = producer.flush(FLUSH_DEADLINE_S)
        assert left == 0, f"{left} of {count} messages to {topic} not acknowledged in {FLUSH_DEADLINE_S:g} s"
        assert not failures, f"{len(failures)} of {count} messages to {topic} failed: {failures[0]}"
        return count

    def end_offsets(self, topic: str) -> dict[int, int]:
        """The next offset of each partition."""
        return self._offsets(topic, OffsetSpec.latest())  # type: ignore[no-untyped-call]

    def begin_offsets(self, topic: str) -> dict[int, int]:
        """The first offset still there of each partition."""
        return self._offsets(topic, OffsetSpec.earliest())  # type: ignore[no-untyped-call]

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """The committed offsets of a group; partitions without one are left out."""
        wanted = [TopicPartition(topic, partition) for partition in self.partitions(topic)]

        def answered() -> list[TopicPartition] | None:
            try:
                return self._committed(group, wanted)
            except KafkaException as error:
                if error.args[0].code() in COORDINATOR_IS_COMING:
                    return None
                raise

        found = eventually(answered, ANSWER_DEADLINE_S, f"the coordinator of {group} answers") or []
        return {tp.partition: tp.offset for tp in found if tp.offset >= 0}

    def _committed(self, group: str, wanted: list[TopicPartition]) -> list[TopicPartition]:
        # The AdminClient's way dies of SIGSEGV in librdkafka 2.16 while the group has no coordinator.
        with self._asking:  # scenarios of one test run side by side
            if self._asker is None or self._asked_of != group:
                self._forget_group()
                self._asker = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group})
                self._asked_of = group
            return self._asker.committed(wanted, timeout=ANSWER_DEADLINE_S)

    def _forget_group(self) -> None:
        if self._asker is not None:
            self._asker.close()
        self._asker = None

    def lag(self, group: str, topic: str) -> int:
        """Messages between committed (or the beginning) and the end, over all partitions."""
        start = {**self.begin_offsets(topic), **self.committed(group, topic)}
        return sum(end - start[partition] for partition, end in self.end_offsets(topic).items())

    def members(self, group: str) -> list[Any]:
        """The live members of a group, as the Admin API describes them."""
        described = self._admin().describe_consumer_groups([group])[group]
        try:
            return list(described.result(ANSWER_DEADLINE_S).members)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return []
            raise

    def is_stable(self, group: str) -> bool:
        """Whether all members have what they were given, and nobody comes or goes."""
        described = self._admin().describe_consumer_groups([group])[group]
        return described.result(ANSWER_DEADLINE_S).state is ConsumerGroupState.STABLE

    def topics(self) -> set[str]:
        """The names of all topics."""
        return set(self._admin().list_topics(timeout=ANSWER_DEADLINE_S).topics)

    def partitions(self, topic: str) -> list[int]:
        return sorted(self._admin().list_topics(topic, timeout=ANSWER_DEADLINE_S).topics[topic].partitions)

    def forget_clients(self) -> None:
        """Drop all clients (their threads end); the next question makes new ones."""
        with self._asking:
            self._forget_group()
        self._admin_client = None
        self._producer_client = None

    def _offsets(self, topic: str, spec: OffsetSpec) -> dict[int, int]:
        asked = {TopicPartition(topic, partition): spec for partition in self.partitions(topic)}
        answers = self._admin().list_offsets(asked)
        return {tp.partition: future.result(ANSWER_DEADLINE_S).offset for tp, future in answers.items()}

    def _wait_for_partitions(self, topic: str, count: int) -> None:
        def all_led() -> bool:
            known = self._admin().list_topics(topic, timeout=ANSWER_DEADLINE_S).topics[topic].partitions
            return len(known) == count and all(one.leader >= 0 for one in known.values())

        eventually(all_led, ANSWER_DEADLINE_S, f"topic {topic} has {count} partitions with leaders")

    def _produce_one(self, producer: Producer, fields: dict[str, Any], failures: list[KafkaError]) -> None:
        def delivered(error: KafkaError | None, _message: object) -> None:
            if error is not None:
                failures.append(error)

        while True:
            try:
                producer.produce(on_delivery=delivered, **fields)
                return
            except BufferError:
                producer.poll(0.1)

    def _admin(self) -> AdminClient:
        if self._admin_client is None:
            self._admin_client = AdminClient(self._properties())
        return self._admin_client

    def _producer(self) -> Producer:
        if self._producer_client is None:
            tuning = {"linger.ms": 5, "acks": "all", "enable.idempotence": True}
            self._producer_client = Producer({**self._properties(), **tuning})
        return self._producer_client

    def _properties(self) -> dict[str, Any]:
        quiet = {"log_level": 0, "reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 200}
        return {"bootstrap.servers": self.bootstrap, **quiet}


def _fields(item: Item) -> Mapping[str, Any]:
    if isinstance(item, Mapping):
        return item
    if isinstance(item, tuple):
        return {"key": item[0], "value": item[1]}
    return {"value": item}
