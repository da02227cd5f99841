"""A stop does not wait for what waits: pauses, retries in place, a closed breaker, queues that are away."""

import signal
import sqlite3
from contextlib import closing

import pytest

from support import signals
from support.scenario import Daemon, Scenario
from support.waiting import eventually, never

SOON_S = 15.0
"""Far below what they wait for, and below stop_s."""
LONG_S = 600


def assert_stops_soon_and_loses_nothing(scenario: Scenario, daemon: Daemon) -> None:
    daemon.stop(SOON_S)
    scenario.open_gate("well")
    again = scenario.start()
    eventually(lambda: not scenario.missing(), 60)
    assert scenario.dead() == []
    again.stop(SOON_S)


@pytest.mark.parametrize("order", ["none", "key", "partition"])
def test_a_stop_does_not_wait_for_a_pause(scenario: Scenario, order: str) -> None:
    scenario.produce((str(number % 10), str(number)) for number in range(100))
    scenario.app(f"""
        @app.route("r")
        def handle(number: int, message: Message):
            if number >= 50 and not is_open("well"):
                tell("paused", message)
                return Pause({LONG_S}, "the database is away")
            tell("done", message)
    """)
    scenario.config({"order": order})
    daemon = scenario.start()
    scenario.wait_for("paused")
    eventually(lambda: daemon.log("route paused by its handler"))
    assert_stops_soon_and_loses_nothing(scenario, daemon)


@pytest.mark.parametrize("order", ["none", "key", "partition"])
def test_a_stop_does_not_wait_for_a_retry(scenario: Scenario, order: str) -> None:
    scenario.produce((str(number % 10), str(number)) for number in range(100))
    scenario.app(
        """
        @app.route("r")
        def handle(number: int, message: Message):
            if number == 50 and not is_open("well"):
                tell("failed", message)
                raise Retry(after_s=600 if message.key and "NONE" != "none" else 1)
            tell("done", message)
    """.replace("NONE", order)
    )
    scenario.config({"order": order})
    daemon = scenario.start()
    scenario.wait_for("failed")
    scenario.wait_for("done", 50 if order == "partition" else 90)
    assert_stops_soon_and_loses_nothing(scenario, daemon)


def test_a_stop_does_not_wait_for_a_closed_breaker(scenario: Scenario) -> None:
    scenario.produce_numbers(2000)
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message):
            if not is_open("well"):
                block_for(0.002)
                raise ConnectionError("away")
            tell("done", message)
    """)
    flood = {"messages": 20, "probe_s": 0.5, "window_s": 5}
    scenario.config({"flood": flood, "retry": {"first_s": 1, "max_s": 1}})
    daemon = scenario.start()
    eventually(lambda: daemon.log("flood: route paused"), 60)
    assert_stops_soon_and_loses_nothing(scenario, daemon)


def test_a_stop_while_the_queues_are_away_ends_at_its_deadline_and_loses_nothing(scenario: Scenario) -> None:
    scenario.produce_numbers(100)
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message):
            tell("called", message)
            if number % 10 == 0 and not is_open("well"):
                return Retry(after_s=1)
            tell("done", message)
    """)
    scenario.config(stop_s=4)
    daemon = scenario.start()
    scenario.wait_for("called", 100)
    eventually(lambda: not scenario.missing("called"))
    file = eventually(lambda: next((scenario.folder / "state").rglob("queues.db"), None))
    with closing(sqlite3.connect(file, isolation_level=None)) as queue:
        queue.execute("BEGIN IMMEDIATE")
        scenario.produce_numbers(100)
        eventually(lambda: not scenario.missing("called"))
        daemon.signal(signal.SIGTERM)
        assert daemon.ended(SOON_S) == 0
        queue.execute("ROLLBACK")
    scenario.open_gate("well")
    again = scenario.start()
    eventually(lambda: not scenario.missing(), 60)
    again.stop(SOON_S)


def test_a_crash_repeats_no_more_than_the_commit_window(scenario: Scenario) -> None:
    window = 100
    scenario.produce_numbers(1000)
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            tell("begun", message)
            if number == 10:
                wait_at("well", message)
            tell("done", message)
    """)
    scenario.config({"timeout_s": 60}, commit={"window": window})
    daemon = scenario.start()
    scenario.wait_for("at well")
    eventually(lambda: len(scenario.events("done")) >= window)
    never(lambda: max(scenario.offsets("begun")) > 10 + window, 1.0, "it reads on past the window")
    signals.send(daemon.feeder_of(scenario.topic), signal.SIGKILL)
    scenario.open_gate("well")
    scenario.wait_for_settled()
    scenario.assert_all()
    assert len(scenario.repeats()) <= window
    daemon.stop()
