"""A transactional loop by hand: BOOTSTRAP GROUP TOPIC OUTPUT; until it is terminated."""

import sys
import uuid

from confluent_kafka import Consumer, Producer, TopicPartition

MOST = 500
WAIT_S = 0.05


def main() -> None:
    bootstrap, group, topic, output = sys.argv[1:]
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": "false",
            "isolation.level": "read_committed",
            "fetch.queue.backoff.ms": "5",
        }
    )
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"loop-{uuid.uuid4()}"})
    producer.init_transactions(30)
    consumer.subscribe([topic])
    while True:
        messages = [one for one in consumer.consume(MOST, WAIT_S) if one.error() is None]
        if not messages:
            continue
        producer.begin_transaction()
        ends: dict[int, int] = {}
        for one in messages:
            partition, offset = one.partition(), one.offset()
            assert partition is not None
            assert offset is not None
            producer.produce(output, one.value(), partition=partition)
            ends[partition] = offset + 1
        positions = [TopicPartition(topic, partition, offset) for partition, offset in sorted(ends.items())]
        producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata())
        producer.commit_transaction()


if __name__ == "__main__":
    main()
