"""Feeder, courier and supervisor die: nothing is lost, and repeated is at most what the promise allows."""

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from support import signals
from support.leftovers import descendants
from support.scenario import Scenario, children_are_gone
from support.waiting import eventually

COUNT = 500
NEVER_S = 600
PLAIN = """
    @app.route("r")
    def handle(number: int, message: Message) -> None:
        tell("done", message)
"""
ALL_DIE = """
    @app.route("r")
    def handle(number: int, message: Message) -> Dead:
        tell("done", message)
        return Dead("so it is")
"""
PAUSES_AT_200 = """
    @app.route("r")
    def handle(number: int, message: Message) -> None:
        if number >= 200:
            wait_at("second half", message)
        tell("done", message)
"""


def instance_ids(scenario: Scenario) -> list[str]:
    return [member.group_instance_id for member in scenario.kafka.members(scenario.group)]


def test_a_feeder_killed_before_any_commit_repeats_at_most_everything_once(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(PLAIN)
    scenario.config(commit={"interval_s": NEVER_S})
    daemon = scenario.start()
    scenario.wait_for("done", COUNT)
    committed = scenario.kafka.committed(scenario.group, scenario.topic).get(0, 0)
    before, members = daemon.feeder_of(scenario.topic), instance_ids(scenario)
    signals.send(before, signal.SIGKILL)
    daemon.feeder_of(scenario.topic, other_than=before)
    assert instance_ids(scenario) == members
    scenario.wait_for("done", COUNT + COUNT - committed)
    daemon.stop()  # its commit says that everything is settled
    scenario.wait_for_settled()
    assert set(scenario.repeats().values()) == {1}
    assert set(scenario.repeats()) == {(scenario.topic, 0, offset) for offset in range(committed, COUNT)}


def test_a_feeder_killed_after_its_commit_repeats_nothing(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(PLAIN)
    daemon = scenario.start()
    scenario.wait_for_settled()
    before, members = daemon.feeder_of(scenario.topic), instance_ids(scenario)
    signals.send(before, signal.SIGKILL)
    daemon.feeder_of(scenario.topic, other_than=before)
    assert instance_ids(scenario) == members
    scenario.produce_numbers(COUNT)
    scenario.wait_for_settled()
    scenario.assert_each_once()
    daemon.stop()


def test_a_feeder_killed_at_work_repeats_only_what_was_not_committed(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(PAUSES_AT_200)
    daemon = scenario.start()
    executing = scenario.wait_for("at second half", 2)
    scenario.wait_for("done", 200)
    eventually(lambda: scenario.kafka.committed(scenario.group, scenario.topic) == {0: 200})
    before = daemon.feeder_of(scenario.topic)
    signals.send(before, signal.SIGKILL)
    daemon.feeder_of(scenario.topic, other_than=before)
    scenario.open_gate("second half")
    scenario.wait_for_settled()
    scenario.assert_all()
    assert set(scenario.repeats()) <= {one.place for one in executing}
    daemon.stop()


def test_a_killed_feeder_of_retries_loses_none_of_them(scenario: Scenario) -> None:
    scenario.produce_numbers(50)
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            if message.attempt == 1:
                raise ValueError("not yet")
            wait_at("second attempt", message)
            tell("done", message)
    """)
    scenario.config({"retry": {"first_s": 1, "backoff": "linear"}, "flood": False})
    daemon = scenario.start()
    scenario.wait_for("at second attempt", 2)
    feeders = daemon.children("feeder")
    [queue_feeder] = set(feeders) - set(daemon.kafka_feeders())
    signals.send(feeders[queue_feeder], signal.SIGKILL)
    eventually(
        lambda: daemon.children("feeder").get(queue_feeder, feeders[queue_feeder]) != feeders[queue_feeder]
    )
    scenario.open_gate("second attempt")
    eventually(lambda: not scenario.missing())
    daemon.stop()
    assert scenario.dead() == []
    assert sum(scenario.repeats().values()) <= 50


def queue_file(scenario: Scenario) -> Path:
    return eventually(lambda: next((scenario.folder / "state").rglob("queues.db"), None))


def test_a_courier_killed_before_its_confirm_loses_nothing(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(ALL_DIE)
    scenario.config({"flood": False})
    daemon = scenario.start()
    daemon.wait_until_at_work()
    scenario.wait_for_settled()
    with closing(sqlite3.connect(queue_file(scenario), isolation_level=None)) as file:
        file.execute("BEGIN IMMEDIATE")  # nobody else can write, so nothing can be confirmed
        scenario.produce_numbers(COUNT)
        scenario.wait_for("done", 2 * COUNT)
        courier = daemon.children()["courier"]
        signals.send(courier, signal.SIGKILL)
        eventually(lambda: daemon.children().get("courier", courier) != courier)
        assert scenario.kafka.committed(scenario.group, scenario.topic) == {0: COUNT}
        file.execute("ROLLBACK")
    scenario.wait_for_settled()
    scenario.assert_each_once()
    assert {entry["offset"] for entry in scenario.dead()} == set(range(2 * COUNT))
    daemon.stop()


def test_a_courier_killed_again_and_again_carries_every_verdict_at_least_once(scenario: Scenario) -> None:
    scenario.produce_numbers(2000)
    scenario.app(ALL_DIE)
    scenario.config({"flood": False})
    daemon = scenario.start()
    for thousandth in range(1, 5):
        scenario.wait_for("done", thousandth * 400)
        before = daemon.children().get("courier", 0)
        if before:
            signals.send(before, signal.SIGKILL)
        eventually(lambda before=before: daemon.children().get("courier", before) != before)
    scenario.wait_for_settled()
    scenario.assert_each_once()
    dead = scenario.dead()
    assert {entry["offset"] for entry in dead} == set(range(2000))
    print(f"{len(dead) - 2000} entries twice after four deaths")
    daemon.stop()


def test_a_killed_supervisor_takes_its_children_along_and_the_next_start_goes_on(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(PAUSES_AT_200)
    daemon = scenario.start()
    scenario.wait_for("at second half", 2)
    eventually(lambda: scenario.kafka.committed(scenario.group, scenario.topic) == {0: 200})
    children = descendants(daemon.pid)
    assert len(children) >= 5
    daemon.kill()
    eventually(children_are_gone(children), message="children end with their supervisor")
    scenario.open_gate("second half")
    again = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_each_once()
    again.stop()


@pytest.mark.parametrize("order", ["none", "key", "partition"])
def test_everything_killed_at_once_goes_on_from_the_committed_offsets(scenario: Scenario, order: str) -> None:
    scenario.produce((str(number % 7), str(number)) for number in range(COUNT))
    scenario.app(PAUSES_AT_200)
    scenario.config({"order": order})
    daemon = scenario.start()
    scenario.wait_for("at second half")
    for pid in [daemon.pid, *descendants(daemon.pid)]:
        signals.send(pid, signal.SIGKILL)
    daemon.ended()
    committed = scenario.kafka.committed(scenario.group, scenario.topic).get(0, 0)
    scenario.open_gate("second half")
    again = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_all()
    assert all(place[2] >= committed for place in scenario.repeats())
    again.stop()
