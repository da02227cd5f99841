"""Nodes that share the work by their modes: one brings Kafka in, others take what is in the queues."""

import shutil
import signal
from typing import Any

from support.nodes import start_node
from support.scenario import Daemon, Scenario, children_are_gone
from support.waiting import eventually

COUNT = 600
EXPRESS = "r.express"
STREAM, WORKER = 'modes=["stream-worker"]', 'modes=["worker"]'
NO_KAFKA = 'kafka."bootstrap.servers"="127.0.0.1:1"'
AT_ONCE = {"first_s": 1, "backoff": "linear", "max_s": 1}

APP = """
    @app.route("r")
    def handle(number: int, message: Message):
        tell("call", message)
        if number % 3 == 1:
            return To("express")
        if number % 3 == 2 and message.attempt == 1:
            raise ConnectionError("once")
        tell("done", message)

    @app.channel("r", "express")
    def express(number: int, message: Message) -> None:
        tell("call", message)
        tell("done", message)
"""
ALL_BLOCK = """
    @app.channel("r", "express")
    def express(number: int, message: Message) -> None:
        wait_at("gate", message)
        tell("done", message)
"""
Queues = dict[str, Any]


def configure(scenario: Scenario, queues: Queues, **route: Any) -> None:
    """Two handlers for the route and two for its channel, on each node that has them."""
    channels = {"express": {"handlers": 2}}
    scenario.config({"channels": channels, "retry": AT_ONCE, **route}, queues=queues)


def worker_node(scenario: Scenario, name: str = "worker", handlers: int = 2) -> Daemon:
    """A node without Kafka: its broker's address leads nowhere."""
    node = start_node(scenario, name, WORKER, NO_KAFKA)
    eventually(lambda: len(node.at_work("handler", EXPRESS)) >= handlers, 20)
    return node


def test_one_node_takes_kafka_and_another_the_queues(scenario: Scenario, queues: Queues) -> None:
    scenario.create_topic(partitions=2)
    scenario.produce_numbers(COUNT)
    scenario.app(APP)
    configure(scenario, queues)
    stream = start_node(scenario, "stream", STREAM)
    scenario.wait_for_settled()
    assert len(scenario.events("call")) == COUNT, "what failed and what was sent on waits for a worker"
    worker = worker_node(scenario)
    eventually(lambda: not scenario.missing())
    scenario.assert_each_once()
    workers = set(worker.at_work("handler")) | set(worker.at_work("handler", EXPRESS))
    first_calls = [one for one in scenario.events("call") if one.attempt == 1 and not one.channel]
    assert {one.pid for one in first_calls} <= set(stream.at_work("handler"))
    assert {one.pid for one in scenario.events("call") if one not in first_calls} <= workers
    assert {one.pid for one in scenario.events("done") if one.channel} <= set(
        worker.at_work("handler", EXPRESS)
    )
    assert scenario.dead() == []
    stream.stop()
    worker.stop()


def test_each_node_runs_what_its_modes_say_and_nothing_else(scenario: Scenario, queues: Queues) -> None:
    scenario.create_topic(partitions=2)
    scenario.app(APP)
    configure(scenario, queues)
    stream, worker = start_node(scenario, "stream", STREAM), worker_node(scenario)
    stream.wait_until_at_work(2)
    eventually(lambda: len(stream.children("feeder")) == 2, 30)
    assert set(stream.children()) == {
        "feeder r/0", "feeder r/1", "handler r/0", "handler r/1", "courier",
    }  # fmt: skip
    titles = {title.rpartition("/")[0]: title for title in worker.children()}
    assert set(titles) == {"feeder r", "feeder r.express", "handler r", "handler r.express", ""}
    assert len(worker.children("feeder")) == 1
    assert scenario.kafka.members(scenario.group)
    assert all("stream" in member.client_id for member in scenario.kafka.members(scenario.group))
    for event in ("cannot ask kafka", "child in trouble", "feeders wanted", "assigned"):
        assert not worker.log(event)
    stream.stop()
    worker.stop()


def test_what_a_killed_worker_node_held_others_take(scenario: Scenario, queues: Queues) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(
        """
    @app.route("r")
    def handle(number: int, message: Message) -> To:
        return To("express")
"""
        + ALL_BLOCK
    )
    configure(scenario, queues)
    stream, worker = start_node(scenario, "stream", STREAM), worker_node(scenario)
    scenario.wait_for("at gate", 2)
    scenario.wait_for_settled()
    children = list(worker.children().values())
    worker.kill()
    eventually(children_are_gone(children))
    shutil.rmtree(scenario.folder / "run" / "worker")  # its lock's file, which a reboot would have removed
    scenario.open_gate("gate")
    other = worker_node(scenario, "other")
    eventually(lambda: not scenario.missing())
    scenario.assert_each_once()
    assert len(scenario.events("at gate")) <= COUNT + 2, "more was repeated than was being executed"
    stream.stop()
    other.stop()


def test_a_worker_node_that_restarts_loses_and_repeats_nothing(scenario: Scenario, queues: Queues) -> None:
    scenario.create_topic(partitions=2)
    scenario.app(APP.replace('tell("call", message)', "block_for(0.002)"))
    configure(scenario, queues)
    stream, worker = start_node(scenario, "stream", STREAM), worker_node(scenario)
    scenario.produce_numbers(4 * COUNT)
    for _ in range(3):
        done = len(scenario.events("done"))
        scenario.wait_for("done", done + 50)
        worker.stop()
        worker = worker_node(scenario)
    eventually(lambda: not scenario.missing(), 40)
    scenario.wait_for_settled()
    scenario.assert_each_once()
    stream.stop()
    worker.stop()


def test_a_worker_node_takes_messages_larger_than_its_ring_was_made_for(
    scenario: Scenario, queues: Queues
) -> None:
    size = 600_000
    scenario.produce([b'"' + b"x" * size + b'"'])
    scenario.app("""
        @app.route("r")
        def handle(text: str, message: Message) -> To:
            return To("express")

        @app.channel("r", "express")
        def express(text: str, message: Message) -> None:
            tell("done", message, note=len(text))
    """)
    configure(scenario, queues)
    stream = start_node(scenario, "stream", STREAM)
    worker = start_node(scenario, "worker", WORKER, NO_KAFKA, "ring.bytes=65536")
    [done] = scenario.wait_for("done")
    assert (done.note, done.channel) == (size, "express")
    assert scenario.dead() == []
    stream.stop()
    worker.stop()


def test_the_second_signal_ends_a_worker_node_at_once_and_what_it_held_comes_again(
    scenario: Scenario, queues: Queues
) -> None:
    scenario.produce_numbers(50)
    scenario.app(
        "    @app.route('r')\n    def handle(number: int) -> To:\n        return To('express')\n" + ALL_BLOCK
    )
    configure(scenario, queues)
    stream, worker = start_node(scenario, "stream", STREAM), worker_node(scenario)
    scenario.wait_for("at gate", 2)
    worker.signal(signal.SIGTERM)
    eventually(lambda: worker.log("stopping"))
    worker.signal(signal.SIGTERM)
    assert worker.ended(3) == 0
    causes = {line["cause"]: line["level"] for line in worker.log("child ended")}
    assert causes == {"stopped": "info"}
    scenario.open_gate("gate")
    again = worker_node(scenario)
    eventually(lambda: not scenario.missing())
    scenario.assert_each_once()
    stream.stop()
    again.stop()
