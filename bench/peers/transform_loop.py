"""The reference of what sends: consume, transform, produce, as a careful person writes it by hand.

Typed decode and encode, acks=all, each delivery report looked at; offsets are committed once a second,
behind a flush. Arguments: bootstrap, topic, group; the output topic is in BENCH_OUTPUT.
"""

import os
import signal
import sys
import time
from typing import Any

import msgspec
import work
from confluent_kafka import Consumer, KafkaError, Message, Producer

BATCH = 1000
BATCH_WAIT_S = 0.02
COMMIT_S = 1.0


class Transform:
    """The loop's two clients and what lies between them."""

    def __init__(self, bootstrap: str, topic: str, group: str) -> None:
        self.consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "fetch.queue.backoff.ms": 10,
            }
        )
        self.consumer.subscribe([topic])
        properties: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "enable.idempotence": True,
        }
        self.producer = Producer(properties)
        self.output = os.environ["BENCH_OUTPUT"]

    def step(self) -> None:
        decode, encode = _decode, _encode
        for message in self.consumer.consume(BATCH, BATCH_WAIT_S):
            value = message.value()
            assert value is not None, message.error()
            order = decode(value)
            work.transform(order)
            self.send(encode(order), order.customer)
        self.producer.poll(0)

    def send(self, value: bytes, key: str) -> None:
        while True:
            try:
                self.producer.produce(self.output, value, key, on_delivery=delivered)
                return
            except BufferError:
                self.producer.poll(0.05)

    def commit(self) -> None:
        self.producer.flush()
        done = [one for one in self.consumer.position(self.consumer.assignment()) if one.offset >= 0]
        if done:
            self.consumer.commit(offsets=done, asynchronous=True)


_decode = msgspec.json.Decoder(work.Order).decode
_encode = msgspec.json.Encoder().encode


def delivered(error: KafkaError | None, _message: Message) -> None:
    if error is not None:
        raise RuntimeError(error.str())


def main(bootstrap: str, topic: str, group: str) -> None:
    work.start()
    loop = Transform(bootstrap, topic, group)
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopping.append(number))
    commit_at_s = time.monotonic() + COMMIT_S
    while not stopping:
        loop.step()
        if time.monotonic() >= commit_at_s:
            loop.commit()
            commit_at_s = time.monotonic() + COMMIT_S
    loop.commit()
    loop.consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
