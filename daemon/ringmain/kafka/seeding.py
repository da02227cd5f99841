"""Makes a topic and fills it, fast: for the demo and for loads of tests and benches.

One process that owns a `Seeder` enters; never a role of the daemon. Consuming is not done here: a group's
progress is only read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from ringmain.errors import RingmainError

_ANSWER_S = 10.0


@dataclass
class Seeder:
    """Creates one topic, sends to it, and knows what was delivered where."""

    bootstrap: str
    topic: str
    partitions: int
    delivered: list[int] = field(init=False)
    """Per partition: messages the broker has confirmed."""
    error: str = ""
    """The first delivery that failed."""

    def __post_init__(self) -> None:
        self.delivered = [0] * self.partitions
        self._producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "client.id": "ringmain-seeding",
                "acks": "all",
                "linger.ms": 5,
                "queue.buffering.max.messages": 100_000,
                "log_level": 0,
            }
        )

    def create_topic(self) -> None:
        """Create the topic; one that exists already is taken as it is."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        asked = admin.create_topics([NewTopic(self.topic, self.partitions, 1)], request_timeout=_ANSWER_S)
        try:
            asked[self.topic].result(_ANSWER_S)
        except KafkaException as refused:
            if refused.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise RingmainError(
                    f"topic {self.topic} cannot be created: {refused.args[0].str()}"
                ) from None
        except TimeoutError:
            raise RingmainError(f"topic {self.topic} cannot be created: no answer") from None

    def send(self, partition: int, value: bytes, key: bytes | None = None) -> None:
        """Queue one message; waits only while too many are on their way."""
        while True:
            try:
                self._producer.produce(
                    self.topic, value, key, partition=partition, on_delivery=self._delivered
                )
                return
            except BufferError:
                self._producer.poll(0.05)

    def poll(self) -> None:
        """Take the confirmations that have arrived."""
        self._producer.poll(0)

    def flush(self, deadline_s: float = 30.0) -> None:
        """Wait until all that was sent is confirmed; RingmainError if that does not happen."""
        left = self._producer.flush(deadline_s)
        if left or self.error:
            raise RingmainError(
                f"{left} messages to {self.topic} were not confirmed: {self.error or 'no answer'}"
            )

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            partition = message.partition()
            if partition is not None:
                self.delivered[partition] += 1
        elif not self.error:
            self.error = error.str()


class Progress:
    """Reads how far a consumer group has committed, without being a member of it."""

    def __init__(self, bootstrap: str, group: str) -> None:
        # A consumer that never subscribes: it asks the coordinator and joins nothing.
        settings: dict[str, Any] = {"bootstrap.servers": bootstrap, "group.id": group, "log_level": 0}
        self._reader = Consumer({**settings, "enable.auto.commit": False})

    def committed(self, topic: str, partitions: int) -> list[int] | None:
        """Committed offset per partition, 0 where there is none; None when the broker does not answer."""
        asked = [TopicPartition(topic, number) for number in range(partitions)]
        try:
            answers: Sequence[TopicPartition] = self._reader.committed(asked, timeout=2.0)
        except KafkaException:
            return None
        return [max(answer.offset, 0) for answer in sorted(answers, key=lambda each: each.partition)]

    def close(self) -> None:
        """Let the connection go."""
        self._reader.close()
