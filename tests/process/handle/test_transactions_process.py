"""A handler process of a transactional route: what it does without a member in whose name it sends offsets.

Kafka is librdkafka's own mock cluster inside the process; what a real one says is in tests/contract.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from ringmain import lifecycle
from ringmain.config.schema import Producer, Retry
from ringmain.rings import tell_member
from support.waiting import eventually

MOCK = {"bootstrap.servers": "mock", "test.mock.num.brokers": "1"}
ABSENT = {"bootstrap.servers": "127.0.0.1:1"}
Make = Callable[..., Any]


@pytest.fixture
def sender(handler: Make) -> Make:
    """handler() of a transactional route, with a producer `out` on a mock cluster, or elsewhere."""

    def make(body: str, kafka: dict[str, str] | None = None, **route: Any) -> Any:
        route = {"transactional": True, "order": "partition", **route}
        one = handler('out = app.producer("out")\n' + body, **route)
        given = Producer(kafka=MOCK if kafka is None else kafka)
        one.config = replace(one.config, producers={"out": given}, stop_s=5.0)
        return one.start()

    return make


SENDS = """
@app.route("orders")
def handle(order: Order) -> None:
    out.send("bills", order)
    if order.id == 3:
        raise ValueError("sent, and no good")
"""


def test_messages_are_done_once_their_transaction_stands(sender: Make) -> None:
    one = sender(SENDS)
    one.place(*({"id": number} for number in range(3)))
    one.wait(done=3)
    assert one.feeder.low_water(one.partition) == 3
    assert one.stop() == 0


def test_a_failed_call_costs_those_before_it_a_second_one_and_is_dead_itself(sender: Make) -> None:
    one = sender(SENDS, retry=Retry(attempts=1))
    one.place(*({"id": number} for number in range(4)))
    one.wait(done=3, dead=1)
    assert "sent, and no good" in one.said()


def test_before_what_another_left_open_has_ended_nothing_is_called(sender: Make) -> None:
    one = sender(SENDS, ABSENT)
    one.place({"id": 0})
    one.wait(claimed=0)
    assert one.stop() == 0
    assert one.counters().claimed == 0
    assert "a transaction has trouble" in one.said()


def test_what_is_not_its_feeders_any_more_is_given_back_uncalled(sender: Make) -> None:
    one = sender(SENDS)
    tell_member(one.feeder, b"a member that never told of a partition")
    one.place({"id": 0})
    eventually(lambda: one.counters().claimed > 0)
    assert one.stop() == 0
    assert one.counters().done == 0


def test_what_a_call_logs_says_its_message(sender: Make) -> None:
    one = sender("""
import logging
@app.route("orders")
def handle(order: Order) -> None:
    logging.getLogger("users").info("call %d", order.id)
@app.on_stop
def bye(): logging.getLogger("users").info("outside")
""")
    one.place({"id": 0}, {"id": 1})
    one.wait(done=2)
    assert one.stop() == 0
    lines = [json.loads(line) for line in one.said().splitlines() if '"users"' in line]
    about = [(line["event"], line.get("topic"), line.get("offset"), line.get("attempt")) for line in lines]
    assert about == [("call 0", "orders", 0, 1), ("call 1", "orders", 1, 1), ("outside", None, None, None)]


def test_what_is_sent_outside_of_a_call_is_refused(sender: Make) -> None:
    one = sender("""
@app.on_start
def begin() -> None:
    try:
        out.send("bills", b"x")
    except Exception as error:
        os.write(2, str(error).encode())

@app.route("orders")
def handle(order: Order) -> None: ...
""")
    assert "sends within calls only on a transactional route" in one.said()
    one.place({"id": 0})
    one.wait(done=1)


def test_who_does_not_know_whether_it_stands_ends_and_leaves_no_verdict(sender: Make) -> None:
    one = sender(
        """
from ringmain.kafka.transacting import Step, Transaction
Transaction.commit = lambda self: Step.LOST
"""
        + SENDS
    )
    one.place({"id": 0}, {"id": 1})
    assert one.exit_code() == lifecycle.UNSURE
    assert one.counters().done == 0
    assert one.overseer.handler(one.index)[3] > 0
    assert "it is not known whether a transaction stands" in one.said()
