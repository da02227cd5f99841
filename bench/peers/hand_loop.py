"""The reference: a loop around confluent-kafka as a careful person writes it by hand.

Typed decode, batches, offsets committed once a second and only for what has been handled.
Arguments: bootstrap, topic, group, then "tuned", "default" or "poll" (one message at a time, for latency).
"""

import signal
import sys
import time
from typing import Any

import msgspec
import work
from confluent_kafka import Consumer, Message

BATCH = 1000
BATCH_WAIT_S = 0.02
COMMIT_S = 1.0
TUNED = {"fetch.queue.backoff.ms": 10}


def messages(consumer: Consumer, style: str) -> list[Message]:
    if style == "poll":
        message = consumer.poll(0.1)
        return [] if message is None else [message]
    return consumer.consume(BATCH, BATCH_WAIT_S)


def main(bootstrap: str, topic: str, group: str, style: str) -> None:
    handle = work.TASKS[work.start()]
    decode = msgspec.json.Decoder(work.Order).decode
    properties: dict[str, Any] = {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        **({} if style == "default" else TUNED),
    }
    consumer = Consumer(properties)
    consumer.subscribe([topic])
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopping.append(number))
    commit_at_s = time.monotonic() + COMMIT_S
    while not stopping:
        for message in messages(consumer, style):
            value = message.value()
            assert value is not None, message.error()
            handle(decode(value))
        if time.monotonic() >= commit_at_s:
            commit_at_s = time.monotonic() + COMMIT_S
            done = [one for one in consumer.position(consumer.assignment()) if one.offset >= 0]
            if done:
                consumer.commit(offsets=done, asynchronous=True)
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
