"""RabbitMQ as one uses it by hand with pika: the reference of bench/queues.py.

`python pika_loop.py URL QUEUE` consumes with a prefetch, decodes, calls and acks each message; the functions
publish one by one, each with its confirm, as BlockingConnection does it.
"""

import select
import sys
import time
from collections.abc import Sequence

import msgspec
import pika

PREFETCH = 1000


def readable(fd: int | None, timeout_s: float | None) -> None:
    """Wait on one descriptor."""
    poll = select.poll()
    if fd is not None:
        poll.register(fd, select.POLLIN)
    poll.poll(None if timeout_s is None else timeout_s * 1000)


def connection(url: str) -> pika.BlockingConnection:
    return pika.BlockingConnection(pika.URLParameters(url))


def publish_one_by_one(url: str, queue: str, bodies: Sequence[bytes]) -> float:
    """Seconds for all, each confirmed before the next."""
    opened = connection(url)
    channel = opened.channel()
    channel.confirm_delivery()
    properties = pika.BasicProperties(delivery_mode=2, headers={"x-attempt": 2, "x-error": "ValueError"})
    began_s = time.monotonic()
    for body in bodies:
        channel.basic_publish("", queue, body, properties, mandatory=True)
    seconds = time.monotonic() - began_s
    opened.close()
    return seconds


def delete(url: str, queue: str) -> None:
    opened = connection(url)
    opened.channel().queue_delete(queue)
    opened.close()


def main(url: str, queue: str) -> None:
    import work

    call = work.TASKS[work.start()]
    decode = msgspec.json.Decoder(work.Order).decode
    channel = connection(url).channel()
    channel.basic_qos(prefetch_count=PREFETCH)

    def handle(_channel: object, method: pika.spec.Basic.Deliver, _properties: object, body: bytes) -> None:
        call(decode(body))
        channel.basic_ack(method.delivery_tag)

    channel.basic_consume(queue, handle)
    channel.start_consuming()


if __name__ == "__main__":
    main(*sys.argv[1:])
