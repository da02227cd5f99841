"""Batches that are not full and would wait an hour: nothing waits for them, and nothing of them is lost."""

import signal
from typing import Any

import pytest

from ringmain import control
from ringmain.asking import ask
from ringmain.errors import NoAnswer
from support import signals
from support.nodes import partitions_of, start_node
from support.scenario import Daemon, Scenario
from support.waiting import eventually

HOUR_S = 3600
JOINED_S = 60.0
FEW = 30
COUNT = 2000
PARTITIONS = 2
WINDOW = 1000
QUICK = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"}
ORDERS = pytest.mark.parametrize("order", ["none", "key", "partition"])
KINDS = pytest.mark.parametrize("prefix", ["", "async "], ids=["sync", "async"])


def load(scenario: Scenario, prefix: str, order: str, messages: int, **more: Any) -> None:
    """An app that notes what it loads, and batches that wait an hour to fill."""
    scenario.create_topic(PARTITIONS)
    scenario.app(f"""
        @app.batch_route("r")
        {prefix}def load(numbers: list[int], messages: list[Message]) -> None:
            tell("batch", note=len(numbers))
            for message in messages:
                tell("done", message)
    """)
    batch = {"messages": messages, "wait_s": HOUR_S}
    scenario.config({"order": order, "handlers": 2, "consumers": 1, "batch": batch}, **more)


def produce(scenario: Scenario, count: int) -> None:
    for partition in range(PARTITIONS):
        scenario.produce(
            [{"value": b"%d" % n, "key": b"%d" % (n % 7)} for n in range(count)], partition=partition
        )


def all_held(scenario: Scenario, node: str = "") -> None:
    """Until all of a few messages are with handlers, or hang behind those that are."""

    def held() -> bool:
        runtime = scenario.folder / "run" / node
        socket = control.socket_path(str(runtime), scenario.group, node or "here")
        try:
            picture = ask(socket, control.Look())
        except NoAnswer as not_yet:
            raise AssertionError(str(not_yet)) from None
        assert isinstance(picture, control.Node)
        held = sum(ring.used - ring.unclaimed for ring in picture.rings)
        assert held == PARTITIONS * FEW, picture.rings
        return True

    eventually(held, JOINED_S)


def living(daemon: Daemon) -> set[int]:
    """Handlers that are at work."""
    return set(daemon.children("handler").values()) & set(daemon.at_work("handler"))


def assert_each_once_in_the_end(scenario: Scenario) -> None:
    """What a stop left unbegun is done after the next start, and nothing is done twice."""
    assert not scenario.repeats()
    daemon = scenario.start("--set", "routes.r.batch.wait_s=0.05")
    daemon.wait_until_at_work(2)
    scenario.wait_for_settled()
    daemon.stop()
    scenario.assert_each_once()


@ORDERS
@KINDS
def test_a_ring_that_is_full_does_not_wait_for_batches_that_cannot_fill(
    scenario: Scenario, order: str, prefix: str
) -> None:
    load(scenario, prefix, order, 224, ring={"messages": 256})
    produce(scenario, COUNT)
    daemon = scenario.start()
    # The last ones do wait: less than a ring is left then.
    eventually(lambda: len(scenario.events("done")) >= PARTITIONS * COUNT - 256, 40)
    daemon.stop()
    assert_each_once_in_the_end(scenario)


@ORDERS
def test_a_commit_window_that_is_full_does_not_wait_for_batches_that_cannot_fill(
    scenario: Scenario, order: str
) -> None:
    load(scenario, "", order, 4000, commit={"window": WINDOW, "interval_s": 0.2})
    produce(scenario, COUNT)
    daemon = scenario.start()
    eventually(lambda: len(scenario.events("done")) >= PARTITIONS * (COUNT - WINDOW), 40)
    daemon.stop()
    assert_each_once_in_the_end(scenario)


@ORDERS
@KINDS
def test_a_stop_is_quick_and_commits_what_it_calls_of_what_was_held(
    scenario: Scenario, order: str, prefix: str
) -> None:
    load(scenario, prefix, order, 500)
    produce(scenario, FEW)
    daemon = scenario.start()
    all_held(scenario)
    assert not scenario.events("done")
    daemon.stop(10)
    committed = scenario.kafka.committed(scenario.group, scenario.topic)
    assert sum(committed.values()) == len(scenario.events("done"))
    if order == "none":  # otherwise the rest of each key hangs behind what is held, and was not begun
        assert committed == dict.fromkeys(range(PARTITIONS), FEW)
    assert_each_once_in_the_end(scenario)


@ORDERS
@KINDS
def test_a_partition_that_is_given_away_does_not_wait_for_a_batch_to_fill(
    scenario: Scenario, order: str, prefix: str
) -> None:
    load(scenario, prefix, order, 500, kafka=QUICK, membership="dynamic")
    first = start_node(scenario, "first")
    eventually(lambda: len(partitions_of(first)) == PARTITIONS, JOINED_S)
    produce(scenario, FEW)
    all_held(scenario, "first")
    second = start_node(scenario, "second")
    eventually(lambda: len(partitions_of(first)) == len(partitions_of(second)) == 1, JOINED_S)
    for line in first.log("revoked"):
        assert line["seconds"] < 5, "half of revoke_s"
        assert line["late"] == 0
    for daemon in (second, first):
        daemon.stop()
    assert_each_once_in_the_end(scenario)


@ORDERS
@KINDS
def test_handlers_that_are_killed_while_they_gather_lose_nothing_and_nobody_is_suspected(
    scenario: Scenario, order: str, prefix: str
) -> None:
    load(scenario, prefix, order, 500)
    produce(scenario, FEW)
    daemon = scenario.start()
    eventually(lambda: len(living(daemon)) == 2, JOINED_S, "two handlers are at work")
    all_held(scenario)
    killed = living(daemon)
    for pid in killed:
        signals.send(pid, signal.SIGKILL)
    eventually(lambda: len(living(daemon) - killed) == 2, JOINED_S, "two others are at work")
    if order == "none":
        all_held(scenario)
        assert not scenario.events("done")
    else:  # in an order, what comes back to its feeder has waited before
        eventually(lambda: len(scenario.events("done")) == PARTITIONS * FEW, JOINED_S)
    daemon.stop()
    assert "runs again alone" not in daemon.log_text()
    assert_each_once_in_the_end(scenario)
    assert not scenario.dead()


@ORDERS
def test_a_consumer_that_is_killed_while_its_messages_are_held_repeats_none(
    scenario: Scenario, order: str
) -> None:
    load(scenario, "", order, 500)
    produce(scenario, FEW)
    daemon = scenario.start()
    feeder = daemon.feeder_of(scenario.topic)
    all_held(scenario)
    signals.send(feeder, signal.SIGKILL)
    daemon.feeder_of(scenario.topic, other_than=feeder)
    all_held(scenario)
    daemon.stop()
    assert_each_once_in_the_end(scenario)
