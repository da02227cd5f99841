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


def paced(
    url: str, delay: str, ready: str, bodies: Sequence[bytes], pace: float, patience_s: float
) -> list[float]:
    """Seconds from each publish into `delay`, unconfirmed, to its delivery from `ready`; `pace` a second."""
    opened = connection(url)
    channel = opened.channel()
    channel.basic_qos(prefetch_count=PREFETCH)
    sent_s: list[float] = []
    took_s: list[float] = []

    def handle(
        _channel: object, method: pika.spec.Basic.Deliver, mine: pika.BasicProperties, _body: bytes
    ) -> None:
        if mine.message_id:
            took_s.append(time.monotonic() - sent_s[int(mine.message_id)])
        channel.basic_ack(method.delivery_tag)

    channel.basic_consume(ready, handle)
    began_s = time.monotonic()
    while len(took_s) < len(bodies) and time.monotonic() - began_s < len(bodies) / pace + patience_s:
        due = min(len(bodies), int((time.monotonic() - began_s) * pace))
        for number in range(len(sent_s), due):
            properties = pika.BasicProperties(delivery_mode=2, message_id=str(number))
            sent_s.append(time.monotonic())
            channel.basic_publish("", delay, bodies[number], properties)
        opened.process_data_events(time_limit=0.001)
    opened.close()
    return took_s


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
