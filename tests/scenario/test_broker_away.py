"""Kafka away, at the start or later, or refusing: said, never an exit, and over by itself."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.environment import child_environment
from support.kafka_server import KafkaServer
from support.leftovers import Leftovers
from support.nodes import APP, partitions_of
from support.sasl_kafka import SaslKafka
from support.scenario import RINGMAIN, Daemon, Scenario
from support.waiting import eventually, never

AWAY_S = 10.0
SAID_S = 40.0
BACK_S = 60.0


@pytest.fixture
def on(leftovers: Leftovers, tmp_path: Path) -> Iterator[Callable[[KafkaServer], Scenario]]:
    """Makes the scenario on a Kafka that the test may stop; that Kafka outlives the daemon."""
    made: list[tuple[Scenario, KafkaServer]] = []

    def make(server: KafkaServer) -> Scenario:
        made.append((Scenario(tmp_path / "scenario", server, leftovers), server))
        return made[-1][0]

    yield make
    for scenario, server in made:
        server.start()
        leftovers.allow_process(server.pid)
        scenario.close()


def troubles(daemon: Daemon) -> list[str]:
    """What was said of feeders in trouble."""
    return [line["detail"] for line in daemon.log("child in trouble") if "feeder" in line["child"]]


@pytest.mark.parametrize(("protocol", "away_s"), [("classic", AWAY_S), ("consumer", 5.0)])
def test_a_broker_that_is_killed_for_a_while_is_said_once_and_reading_goes_on_by_itself(
    brittle_kafka: KafkaServer, on: Callable[[KafkaServer], Scenario], protocol: str, away_s: float
) -> None:
    scenario = on(brittle_kafka)
    scenario.create_topic(2)
    scenario.app(APP)
    scenario.config(kafka={"group.protocol": protocol})
    for partition in range(2):
        scenario.produce([b"{}"] * 100, partition=partition)
    daemon = scenario.start()
    scenario.wait_for("done", 200)
    scenario.wait_for_settled()
    feeders = eventually(lambda: len(partitions_of(daemon)) == 2 and daemon.kafka_feeders())
    brittle_kafka.stop()
    eventually(lambda: troubles(daemon), SAID_S)
    never(lambda: not daemon.running, away_s)
    assert brittle_kafka.bootstrap in troubles(daemon)[0]
    assert len(troubles(daemon)) == 1, troubles(daemon)
    brittle_kafka.start()
    brittle_kafka.forget_clients()
    for partition in range(2):
        scenario.produce([b"{}"] * 100, partition=partition)
    scenario.wait_for("done", 400, BACK_S)
    scenario.wait_for_settled(BACK_S)
    scenario.assert_each_once()
    eventually(lambda: daemon.log("well again"), BACK_S)
    assert daemon.kafka_feeders() == feeders, "no process was replaced"
    daemon.stop()


def test_a_broker_that_is_away_at_the_start_is_said_and_met_when_it_comes(
    brittle_kafka: KafkaServer, on: Callable[[KafkaServer], Scenario]
) -> None:
    scenario = on(brittle_kafka)
    scenario.produce_numbers(100)
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            tell("done", message)
    """)
    brittle_kafka.stop()
    daemon = scenario.start()
    eventually(lambda: troubles(daemon), SAID_S)
    assert brittle_kafka.bootstrap in troubles(daemon)[0]
    brittle_kafka.start()
    brittle_kafka.forget_clients()
    scenario.wait_for("done", 100, BACK_S)
    scenario.wait_for_settled()
    scenario.assert_each_once()
    assert not [line for line in daemon.log("child ended") if "feeder" in line["child"]]
    daemon.stop()


def test_a_daemon_whose_broker_is_away_stops_in_time(
    brittle_kafka: KafkaServer, on: Callable[[KafkaServer], Scenario]
) -> None:
    scenario = on(brittle_kafka)
    scenario.produce_numbers(100)
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            tell("done", message)
    """)
    scenario.config(stop_s=10)
    daemon = scenario.start()
    scenario.wait_for("done", 100)
    brittle_kafka.stop()
    eventually(lambda: troubles(daemon), SAID_S)
    daemon.stop(20.0)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[SaslKafka]:
    server = SaslKafka(tmp_path / "sasl", "right")
    server.start()
    yield server
    server.close()


def test_a_wrong_password_is_said_retried_and_named_by_check(
    guarded: SaslKafka, on: Callable[[KafkaServer], Scenario]
) -> None:
    scenario = on(guarded)
    scenario.produce_numbers(50)
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            tell("done", message)
    """)
    config = scenario.config(kafka=guarded.client_properties("wrong-one"))
    daemon = scenario.start()
    [said] = eventually(lambda: troubles(daemon), SAID_S)
    assert guarded.guarded in said
    assert "refuses" in said
    checked = subprocess.run(
        [*RINGMAIN, "check", str(config), "--connect"],
        env=child_environment(), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert checked.returncode == 1
    assert guarded.guarded in checked.stderr
    assert "uthentication" in checked.stderr
    assert "Traceback" not in checked.stderr
    assert "wrong-one" not in checked.stderr + daemon.log_text()
    guarded.stop()
    guarded.change_password("wrong-one")
    guarded.start()
    guarded.forget_clients()
    scenario.wait_for("done", 50, BACK_S)
    scenario.wait_for_settled()
    scenario.assert_each_once()
    daemon.stop()
