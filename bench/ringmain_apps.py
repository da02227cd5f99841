"""The apps that ringmain runs under measurement: one per task, as a user would write them."""

import os
import sys
from collections.abc import Callable

import work
from work import Order

from ringmain import App, Message

noop = App()
spin = App()
slow = App()
delay = App()
wait = App()
failing = App()
unfailing = App()
batch = App()

for name, app in {"noop": noop, "spin": spin, "slow": slow, "delay": delay}.items():
    app.on_start(work.start)
    app.route("bench")(work.TASKS[name])
wait.on_start(work.start)
wait.route("bench")(work.wait)
failing.on_start(work.start)
unfailing.on_start(work.start)
batch.on_start(work.start)


transform = App()
transform.on_start(work.start)
out = transform.producer("out")
OUTPUT = os.environ.get("BENCH_OUTPUT", "")


@transform.route("bench")
def transform_and_send(order: Order) -> None:
    """Done once what it sent is delivered."""
    work.transform(order)
    out.send(OUTPUT, order, order.customer)


def failing_first(one_in: int) -> Callable[[Order, Message], None]:
    """As spin(), but one in so many does the work for nothing and is tried again."""

    def handle(order: Order, message: Message) -> None:
        if message.attempt == 1 and order.id % one_in == one_in - 1:
            sum(range(work.tally.spins))
            raise ValueError("not yet")
        work.spin(order)

    return handle


failing.route("bench")(failing_first(work.FAILS_ONE_IN))
unfailing.route("bench")(failing_first(sys.maxsize))


@batch.batch_route("bench")
def noop_of_many(orders: list[Order]) -> None:
    """As noop(), the way a batch is added up."""
    work.tally.count += len(orders)
    total = 0
    for order in orders:
        total += order.id
    work.tally.total += total


__all__ = ["Order", "batch", "delay", "failing", "noop", "slow", "spin", "transform", "unfailing", "wait"]
