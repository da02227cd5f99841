# mypy: disable-error-code="import-not-found,import-untyped,misc,untyped-decorator"
"""Dramatiq on RabbitMQ: a call that fails once and is tried again a second later.

`python -m dramatiq peers.dramatiq_retries -p 2 -t 8` works, `send` enqueues; BENCH_URL says where.
"""

import os
from collections.abc import Iterable

import dramatiq
import work
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.middleware import CurrentMessage

DELAY_MS = 1000


class Boot(dramatiq.Middleware):
    """Begins the tally in each worker process."""

    def after_process_boot(self, broker: dramatiq.Broker) -> None:
        work.start()


broker = RabbitmqBroker(url=os.environ["BENCH_URL"], confirm_delivery=True)
broker.add_middleware(CurrentMessage())
broker.add_middleware(Boot())
dramatiq.set_broker(broker)


@dramatiq.actor(max_retries=3, min_backoff=DELAY_MS, max_backoff=DELAY_MS, queue_name="dramatiq")
def fail_once(number: int, value: str) -> None:
    current = CurrentMessage.get_current_message()
    if current is None or not current.options.get("retries"):
        raise ValueError("not yet")
    work.tally.count += 1
    work.tally.total += number


def send(values: Iterable[bytes]) -> None:
    for number, value in enumerate(values):
        fail_once.send(number, value.decode())
    broker.close()
