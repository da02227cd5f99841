"""What lies in a topic, from its beginning to its present end.

Tests of producers enter. Nothing is committed, no group is joined; messages of aborted transactions are left
out. It waits for the end that the topic has when it is asked, and no longer.
"""

import random

from confluent_kafka import Consumer, Message, TopicPartition

from support.kafka_client import KafkaClient
from support.waiting import eventually

DEADLINE_S = 30.0


def contents(kafka: KafkaClient, topic: str) -> list[Message]:
    """All its messages, those of a partition in their order."""
    ends = {partition: end for partition, end in kafka.end_offsets(topic).items() if end}
    reader = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": f"look-{random.getrandbits(40):x}",
            "enable.auto.commit": "false",
            "fetch.queue.backoff.ms": "5",
        }
    )
    found: list[Message] = []
    try:
        reader.assign([TopicPartition(topic, partition, 0) for partition in ends])

        def all_read() -> bool:
            found.extend(reader.consume(10_000, 0.1))
            broken = [one.error() for one in found if one.error() is not None]
            assert not broken, broken[0]
            at = {one.partition: one.offset for one in reader.position(list(reader.assignment()))}
            return all(at.get(partition, -1) >= end for partition, end in ends.items())

        if ends:
            eventually(all_read, DEADLINE_S, f"{topic} is read to its end")
    finally:
        reader.close()
    return found


def values(kafka: KafkaClient, topic: str) -> list[bytes | None]:
    """Their values."""
    return [one.value() for one in contents(kafka, topic)]
