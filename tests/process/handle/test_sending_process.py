"""A handler process whose calls send messages: its verdicts are left behind what was sent.

Kafka is librdkafka's own mock cluster inside the process; what a real one says is in tests/contract.
"""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from ringmain.config.schema import Producer, Retry

MOCK = {"bootstrap.servers": "mock", "test.mock.num.brokers": "1"}
ABSENT = {"bootstrap.servers": "127.0.0.1:1"}
ONCE = Retry(attempts=1)
Make = Callable[..., Any]


@pytest.fixture
def sender(handler: Make) -> Make:
    """handler(), with a producer `out` on a mock cluster, or with other properties."""

    def make(body: str, kafka: dict[str, str] | None = None, **route: Any) -> Any:
        one = handler('out = app.producer("out")\n' + body, **route)
        given = Producer(kafka=MOCK if kafka is None else kafka)
        one.config = replace(one.config, producers={"out": given}, stop_s=5.0)
        return one.start()

    return make


def test_messages_are_done_once_what_their_calls_sent_is_delivered(sender: Make) -> None:
    one = sender("""
@app.route("orders")
def handle(order: Order) -> None:
    out.send("bills", order, str(order.id))
""")
    one.place(*({"id": number} for number in range(40)))
    one.wait(done=40)
    assert one.feeder.low_water(one.partition) == 40
    assert one.stop() == 0


def test_a_message_too_large_fails_the_message_whose_call_sent_it_and_no_other(sender: Make) -> None:
    one = sender(
        """
@app.route("orders")
def handle(order: Order) -> None:
    out.send("bills", b"x" * (2_000_000 if order.id == 1 else 1))
""",
        retry=ONCE,
    )
    one.place({"id": 0}, {"id": 1}, {"id": 2})
    one.wait(done=2, dead=1)
    assert "ringmain.DeliveryFailed" in one.said()
    assert "2000000 bytes is too large" in one.said()


def test_a_failure_that_comes_after_the_call_fails_its_message(sender: Make) -> None:
    one = sender(
        """
@app.route("orders")
def handle(order: Order) -> None:
    out.send("bills", order, partition=99 if order.id == 1 else 0)
""",
        retry=ONCE,
    )
    one.place({"id": 0}, {"id": 1}, {"id": 2})
    one.wait(done=2, dead=1)
    assert "the topic has no such partition" in one.said()


def test_a_failure_that_the_handler_was_told_of_is_its_own_to_judge(sender: Make) -> None:
    one = sender("""
from ringmain import DeliveryFailed
@app.route("orders")
def handle(order: Order) -> None:
    sent = out.send("bills", order, partition=99)
    try:
        sent.result(10)
    except DeliveryFailed:
        out.send("bills", order, partition=0)
""")
    one.place({"id": 0})
    one.wait(done=1, retry=0, dead=0)


def test_while_nothing_is_delivered_nothing_is_done_and_calls_go_on(sender: Make) -> None:
    one = sender(
        """
@app.route("orders")
def handle(order: Order) -> None:
    out.send("bills", order)
""",
        ABSENT,
    )
    one.place(*({"id": number} for number in range(40)))
    one.wait(calls=40)
    assert one.counters().done == 0
    assert one.feeder.low_water(one.partition) == 0


def test_a_stop_while_kafka_is_away_ends_in_time_and_its_messages_come_again(sender: Make) -> None:
    one = sender(
        """
@app.route("orders")
def handle(order: Order) -> None:
    out.send("bills", order)
""",
        ABSENT,
    )
    one.place({"id": 0}, {"id": 1})
    one.wait(calls=2)
    assert one.stop() == 0
    assert "their messages come again" in one.said()
    assert one.counters().done == 0
    assert one.feeder.low_water(one.partition) == 0


def test_a_full_queue_is_waited_for(sender: Make) -> None:
    one = sender(
        """
@app.route("orders")
def handle(order: Order) -> None:
    for _ in range(20):
        out.send("bills", order)
""",
        {**MOCK, "queue.buffering.max.messages": "3"},
    )
    one.place(*({"id": number} for number in range(5)))
    one.wait(done=5)


@pytest.mark.parametrize("order", ["key", "partition"])
def test_messages_of_one_key_are_called_after_what_the_one_before_sent_is_delivered(
    sender: Make, order: str
) -> None:
    one = sender(
        """
before = []
@app.route("orders")
def handle(order: Order) -> None:
    if before and not before[-1].done:
        raise ValueError("overtaken")
    before.append(out.send("bills", order))
""",
        order=order,
        retry=ONCE,
    )
    one.place(*({"id": number} for number in range(20)), key=b"one")
    one.wait(done=20)


def test_a_call_that_fails_does_not_wait_for_what_it_sent(sender: Make) -> None:
    one = sender(
        """
@app.route("orders")
def handle(order: Order) -> None:
    out.send("bills", order)
    raise ValueError("no")
""",
        ABSENT,
        retry=ONCE,
    )
    one.place({"id": 0})
    one.wait(dead=1)


def test_a_skip_that_is_raised_waits_for_what_was_sent(sender: Make) -> None:
    one = sender("""
@app.route("orders")
def handle(order: Order) -> None:
    out.send("bills", order)
    raise Skip("sent on")
""")
    one.place({"id": 0})
    one.wait(skip=1)


def test_what_on_stop_sends_is_delivered_before_the_process_ends(sender: Make) -> None:
    one = sender("""
@app.on_stop
def bye():
    app.state.sent = out.send("bills", b"bye")

@app.route("orders")
def handle(order: Order) -> None:
    pass

from ringmain.kafka import outlets
closing = outlets.Outlets.close
def close(self):
    os.write(2, f"at the end: {app.state.sent.done} {app.state.sent.failure}".encode())
    closing(self)
outlets.Outlets.close = close
""")
    one.place({"id": 0})
    one.wait(done=1)
    assert one.stop() == 0
    assert "at the end: True None" in one.said()


def test_a_value_that_cannot_be_encoded_fails_its_own_call(sender: Make) -> None:
    one = sender(
        """
@app.route("orders")
def handle(order: Order) -> None:
    out.send("bills", object())
""",
        retry=ONCE,
    )
    one.place({"id": 0})
    one.wait(dead=1)
    assert "TypeError" in one.said()


# -- async ---------------------------------------------------------------------------------------------------

ASYNC = """
@app.route("orders")
async def handle(order: Order) -> None:
"""


def test_async_calls_are_done_once_what_they_sent_is_delivered(sender: Make) -> None:
    one = sender(ASYNC + '    out.send("bills", order, str(order.id))\n')
    one.place(*({"id": number} for number in range(40)))
    one.wait(done=40)
    assert one.feeder.low_water(one.partition) == 40
    assert one.stop() == 0


def test_a_delivery_can_be_awaited(sender: Make) -> None:
    one = sender(ASYNC + '    sent = await out.send("bills", order)\n    assert sent.topic == "bills"\n')
    one.place(*({"id": number} for number in range(40)))
    one.wait(done=40)


def test_a_delivery_that_nobody_awaits_fails_its_async_call_all_the_same(sender: Make) -> None:
    one = sender(ASYNC + '    out.send("bills", order, partition=99)\n', retry=ONCE)
    one.place({"id": 0})
    one.wait(dead=1)
    assert "the topic has no such partition" in one.said()


def test_on_a_loop_a_full_queue_makes_a_line_and_nothing_is_lost(sender: Make) -> None:
    body = (
        '    sent = [out.send("bills", order) for _ in range(20)]\n    for one in sent:\n        await one\n'
    )
    one = sender(ASYNC + body, {**MOCK, "queue.buffering.max.messages": "3"})
    one.place(*({"id": number} for number in range(5)))
    one.wait(done=5)
