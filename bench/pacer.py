"""Produces messages at a steady 1,000 a second, each carrying the time at which it was sent.

rows.py starts it as a process of its own. Arguments: bootstrap, topic, how many.
"""

import sys
import time

from confluent_kafka import Producer
from messages import message

EVERY_NS = 1_000_000


def main(bootstrap: str, topic: str, count: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "acks": 1})
    producer.list_topics(topic, timeout=10)
    began_ns = time.monotonic_ns()
    for number in range(count):
        ahead_ns = began_ns + number * EVERY_NS - time.monotonic_ns()
        if ahead_ns > 0:
            time.sleep(ahead_ns / 1e9)
        producer.produce(topic, message(number, time.monotonic_ns()), partition=number % 4)
        producer.poll(0)
    left = producer.flush(30)
    if left:
        sys.exit(f"{left} messages were not acknowledged")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
