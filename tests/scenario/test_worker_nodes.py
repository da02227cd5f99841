"""Nodes that share the work by their modes: one brings Kafka in, others take what is in the queues."""

import shutil
import signal
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ringmain.config.load import load
from ringmain.queues import names
from ringmain.queues.connect import connect
from ringmain.queues.envelope import Envelope
from support import signals
from support.nodes import start_node
from support.queue_backends import bring
from support.scenario import ROUTE, Daemon, Scenario, children_are_gone
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
    eventually(lambda: len(node.at_work("handler", EXPRESS)) >= handlers, 60)
    return node


def without_admin(node: Daemon) -> set[str]:
    """Titles of a node's children but those of the admin and its workers."""
    return {title for title in node.children() if not title.startswith("admin")}


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
    wanted = {"feeder r/0", "feeder r/1", "handler r/0", "handler r/1", "courier", "herald"}
    eventually(lambda: without_admin(stream) == wanted, 30, "a scout may still be under way")
    wanted = {"feeder r", "feeder r.express", "handler r", "handler r.express", ""}
    eventually(lambda: {title.rpartition("/")[0] for title in without_admin(worker)} == wanted)
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
    assert worker.ended(15) == 0
    causes = {line["cause"]: line["level"] for line in worker.log("child ended")}
    assert causes["stopped"] == "info"
    assert causes.keys() <= {"stopped", "ended"}, "who had ended before the second signal was not killed"
    scenario.open_gate("gate")
    again = worker_node(scenario)
    eventually(lambda: not scenario.missing())
    scenario.assert_each_once()
    stream.stop()
    again.stop()


def ready_for_the_route(scenario: Scenario, config: Path, count: int) -> None:
    """What a replay, or a time without `through`, leaves in the route's own queue."""
    settings = load(config)
    messages = [
        Envelope(
            value=str(number).encode(), key=None, headers=[], topic="earlier", partition=0, offset=number,
            timestamp_ms=1,
        )
        for number in range(count)
    ]  # fmt: skip
    with closing(connect(settings).publisher()) as publisher:
        bring(publisher, names.ready(settings.name, ROUTE), messages)


def test_through_a_channel_workers_outnumber_partitions(scenario: Scenario, queues: Queues) -> None:
    scenario.create_topic(partitions=1)
    scenario.produce((f"k{number}", str(number)) for number in range(COUNT))
    scenario.app(ALL_BLOCK)
    configure(scenario, queues, through="express")
    stream = start_node(scenario, "stream", STREAM)
    scenario.wait_for_settled()
    nobody_to_handle = {"feeder r/0", "courier", "herald"}
    eventually(lambda: without_admin(stream) == nobody_to_handle, 30)
    workers = [worker_node(scenario, name) for name in ("one", "two")]
    eventually(lambda: len({one.pid for one in scenario.events("at gate")}) == 4)
    scenario.open_gate("gate")
    eventually(lambda: not scenario.missing())
    scenario.assert_each_once()
    done = scenario.events("done")
    assert {(one.channel, one.attempt) for one in done} == {("express", 1)}
    assert all(one.key == f"k{one.offset}" for one in done)
    for node in (stream, *workers):
        node.stop()


def test_through_a_channel_a_killed_consumer_loses_nothing(scenario: Scenario, queues: Queues) -> None:
    scenario.produce_numbers(20 * COUNT)
    scenario.app("""
        @app.channel("r", "express")
        def express(number: int, message: Message) -> None:
            tell("done", message)
    """)
    configure(scenario, queues, through="express")
    daemon = scenario.start()
    for count in (1, 5 * COUNT):
        scenario.wait_for("done", count)
        feeder = daemon.feeder_of(scenario.topic)
        signals.send(feeder, signal.SIGKILL)
        daemon.feeder_of(scenario.topic, other_than=feeder)
    eventually(lambda: not scenario.missing(), 60)
    scenario.wait_for_settled()
    assert {one.channel for one in scenario.events("done")} == {"express"}
    assert scenario.dead() == []
    daemon.stop()


@pytest.mark.parametrize("handled", [True, False], ids=["with a handler", "without one"])
def test_what_is_in_the_own_queue_of_a_route_goes_to_its_handler_or_through_the_channel_too(
    scenario: Scenario, queues: Queues, handled: bool
) -> None:
    scenario.create_topic()
    own = """
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            tell("done", message)
    """
    scenario.app(
        """
        @app.channel("r", "express")
        def express(number: int, message: Message) -> None:
            tell("done", message)
    """
        + (own if handled else "")
    )
    configure(scenario, queues, through="express")
    ready_for_the_route(scenario, scenario.folder / "ringmain.toml", 20)
    daemon = scenario.start()
    scenario.wait_for("done", 20)
    scenario.produce_numbers(20)
    scenario.wait_for("done", 40)
    by_topic = {one.topic: one.channel for one in scenario.events("done")}
    assert by_topic == {"earlier": "" if handled else "express", scenario.topic: "express"}
    assert not scenario.repeats()
    assert len(daemon.children("handler")) == (2 if handled else 0)
    daemon.stop()


def test_a_reload_does_not_bring_a_handler_to_a_route_that_had_none(
    scenario: Scenario, queues: Queues
) -> None:
    channel = """
        @app.channel("r", "express")
        def express(number: int, message: Message) -> None:
            tell("done", message)
    """
    scenario.create_topic()
    scenario.app(channel)
    configure(scenario, queues, through="express")
    daemon = scenario.start()
    eventually(lambda: len(daemon.at_work("handler", EXPRESS)) == 2)
    scenario.app(
        channel
        + """
        @app.route("r")
        def handle(number: int) -> None: ...
    """
    )
    daemon.signal(signal.SIGHUP)
    eventually(lambda: daemon.log("reload refused: nothing changes"))
    [refused] = daemon.log("reload refused: nothing changes")
    assert "whether the app has a handler for r is different" in refused["reason"]
    daemon.stop()
