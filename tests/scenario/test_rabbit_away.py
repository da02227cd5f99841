"""RabbitMQ away, or who talks to it killed: nothing lost, nothing committed past, said once."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import signals
from support.environment import child_environment
from support.kafka_server import KafkaServer
from support.leftovers import Leftovers
from support.rabbit_server import RabbitServer
from support.scenario import RINGMAIN, Daemon, Scenario
from support.waiting import eventually, never

COUNT = 2000
SAID_S = 40.0
BACK_S = 60.0
FAILS_ONCE = """
    @app.route("r")
    def handle(number: int, message: Message) -> None:
        tell("called", message)
        if message.attempt == 1:
            raise ValueError("not yet")
        tell("done", message)
"""
RETRY = {"retry": {"first_s": 1, "max_s": 1}, "flood": False}


@pytest.fixture
def scenario(
    leftovers: Leftovers, kafka: KafkaServer, brittle_rabbit: RabbitServer, tmp_path: Path
) -> Iterator[Scenario]:
    """On a RabbitMQ that the test may stop and that outlives the daemon."""
    made = Scenario(tmp_path / "scenario", kafka, leftovers)
    made.config(RETRY, queues=settings(brittle_rabbit))
    yield made
    brittle_rabbit.mend()
    leftovers.allow_process(brittle_rabbit.pid)
    leftovers.allow_process(brittle_rabbit.epmd_pid)
    made.close()


def settings(server: RabbitServer, **more: Any) -> dict[str, Any]:
    return {"backend": "rabbitmq", "url": server.url, **more}


def depths(scenario: Scenario, server: RabbitServer) -> dict[str, str]:
    """How many messages are in each queue of this scenario."""
    rows = server.queues("name", "messages")
    return {name: messages for name, messages in rows if name.startswith(f"{scenario.group}.")}


def courier_of(daemon: Daemon) -> int:
    return daemon.children().get("courier", 0)


def queue_feeder_of(daemon: Daemon) -> int:
    """The feeder that is not over Kafka; 0 while not both are there."""
    feeders = daemon.children("feeder")
    pids = set(feeders.values()) - set(daemon.kafka_feeders().values())
    return pids.pop() if len(feeders) == 2 and len(pids) == 1 else 0


def committed(scenario: Scenario) -> int:
    return scenario.kafka.committed(scenario.group, scenario.topic).get(0, 0)


def said(daemon: Daemon, event: str) -> list[str]:
    """The reasons that the courier gave, one a line."""
    return [str(line.get("reason", "")) for line in daemon.log(event)]


def queue_troubles(daemon: Daemon) -> list[str]:
    return [line["detail"] for line in daemon.log("child in trouble") if "feeder" in line["child"]]


def test_rabbitmq_that_is_down_at_the_start_is_said_once_and_nothing_is_committed_past(
    scenario: Scenario, brittle_rabbit: RabbitServer
) -> None:
    brittle_rabbit.kill()
    scenario.produce_numbers(COUNT)
    scenario.app(FAILS_ONCE)
    daemon = scenario.start()
    [reason] = eventually(lambda: said(daemon, "queues are away"), SAID_S)
    assert f"127.0.0.1:{brittle_rabbit.port}" in reason
    assert "refused" in reason
    scenario.wait_for("called", COUNT)
    never(lambda: committed(scenario), 2.0)
    assert daemon.running
    brittle_rabbit.start()
    scenario.wait_for("done", COUNT, BACK_S)
    scenario.wait_for_settled(BACK_S)
    scenario.assert_each_once()
    assert len(said(daemon, "queues are away")) == 1
    assert len(said(daemon, "queues are back")) == 1
    assert len(queue_troubles(daemon)) == 1, queue_troubles(daemon)
    daemon.stop()


@pytest.mark.parametrize("how", ["kill", "stop_app"])
def test_rabbitmq_that_goes_in_the_middle_costs_nothing_but_time(
    scenario: Scenario, brittle_rabbit: RabbitServer, how: str
) -> None:
    half = COUNT // 2
    scenario.produce_numbers(half)
    scenario.app(FAILS_ONCE)
    daemon = scenario.start()
    scenario.wait_for("done", half)
    scenario.wait_for_settled()
    eventually(lambda: not brittle_rabbit.unacknowledged(), SAID_S, "what is done is acknowledged")
    getattr(brittle_rabbit, how)()
    scenario.produce_numbers(half)
    eventually(lambda: said(daemon, "queues are away"), SAID_S)
    scenario.wait_for("called", half * 2 + half)
    never(lambda: committed(scenario) > half or not daemon.running, 3.0)
    brittle_rabbit.start() if how == "kill" else brittle_rabbit.start_app()
    eventually(lambda: not scenario.missing() or None, BACK_S)
    scenario.wait_for_settled(BACK_S)
    assert len(said(daemon, "queues are away")) == 1, said(daemon, "queues are away")
    assert len(said(daemon, "queues are back")) == 1
    scenario.assert_each_once()
    assert not [line for line in daemon.log("child ended") if "handler" not in line["child"]]
    daemon.stop()


def test_courier_and_queue_feeder_killed_again_and_again_lose_nothing(
    scenario: Scenario, brittle_rabbit: RabbitServer
) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(FAILS_ONCE)
    daemon = scenario.start()
    for victim in (courier_of, queue_feeder_of) * 2:
        scenario.wait_for("called", 1)
        before = eventually(lambda victim=victim: victim(daemon))
        signals.send(before, signal.SIGKILL)
        eventually(lambda victim=victim, before=before: victim(daemon) not in (0, before), SAID_S)
    eventually(lambda: not scenario.missing() or None, BACK_S)
    scenario.wait_for_settled(BACK_S)
    scenario.assert_all()
    eventually(lambda: set(depths(scenario, brittle_rabbit).values()) == {"0"}, SAID_S)
    daemon.stop()


def test_what_fails_for_good_is_in_rabbitmqs_dead_queue_with_its_history(
    scenario: Scenario, brittle_rabbit: RabbitServer
) -> None:
    scenario.produce_numbers(100)
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            raise ValueError(f"never {number}")
    """)
    scenario.config({"retry": {"first_s": 1, "max_s": 1, "attempts": 2}, "flood": False},
                    queues=settings(brittle_rabbit))  # fmt: skip
    daemon = scenario.start()
    scenario.wait_for_settled(BACK_S)
    name = f"{scenario.group}.r.dead"
    eventually(lambda: depths(scenario, brittle_rabbit).get(name) == "100", BACK_S)
    daemon.stop()


def test_a_wrong_password_is_said_never_shown_and_named_by_check(
    scenario: Scenario, brittle_rabbit: RabbitServer
) -> None:
    brittle_rabbit.add_user("billing", "right")
    scenario.produce_numbers(50)
    scenario.app(FAILS_ONCE)
    config = scenario.config(RETRY, queues=settings(brittle_rabbit, username="billing", password="wrong-one"))
    daemon = scenario.start()
    [reason] = eventually(lambda: said(daemon, "queues are away"), SAID_S)
    assert "refuses user 'billing'" in reason
    checked = subprocess.run(
        [*RINGMAIN, "check", str(config), "--connect"],
        env=child_environment(), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert checked.returncode == 1
    assert "refuses user 'billing'" in checked.stderr
    assert "Traceback" not in checked.stderr
    assert "wrong-one" not in checked.stderr + daemon.log_text()
    brittle_rabbit.change_password("wrong-one", "billing")
    scenario.wait_for("done", 50, BACK_S)
    scenario.wait_for_settled(BACK_S)
    daemon.stop()


@pytest.mark.parametrize("how", ["away", "alarmed"])
def test_a_daemon_whose_rabbitmq_is_no_use_stops_in_time_and_goes_on_later(
    scenario: Scenario, brittle_rabbit: RabbitServer, how: str
) -> None:
    scenario.produce_numbers(200)
    scenario.app(FAILS_ONCE)
    scenario.config(RETRY, queues=settings(brittle_rabbit), stop_s=5)
    if how == "away":
        brittle_rabbit.kill()
    else:
        brittle_rabbit.raise_alarm()
    daemon = scenario.start()
    eventually(lambda: said(daemon, "queues are away"), SAID_S)
    daemon.stop(20.0)
    assert committed(scenario) == 0
    if how == "away":
        brittle_rabbit.start()
    else:
        brittle_rabbit.clear_alarm()
    later = scenario.start()
    scenario.wait_for_settled(BACK_S)
    eventually(lambda: not scenario.missing() or None, BACK_S)
    later.stop()
