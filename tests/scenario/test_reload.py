"""A reload of the config file on a real Kafka, under load: nothing lost or twice, nobody else disturbed."""

import signal
import subprocess
from typing import Any

from support.environment import child_environment
from support.scenario import RINGMAIN, Daemon, Scenario
from support.waiting import eventually

BUSY = """
@app.route("r")
def handle(value: int, message: Message) -> None:
    time.sleep(0.001)
    tell("done", message)
"""
TWO = """
@app.route("r")
def handle(value: int, message: Message) -> None:
    tell("done", message)

@app.route("second")
def second(value: int, message: Message) -> None:
    tell("done", message, note="second")
"""
REFUSED = "reload refused: nothing changes"
LOAD = 4000


def reload(scenario: Scenario, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """`ringmain reload`, as an operator does it."""
    return subprocess.run(
        [*RINGMAIN, "reload", str(scenario.folder / "ringmain.toml"), *arguments],
        env=child_environment(), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def done(daemon: Daemon, times: int = 1) -> None:
    """Until so many reloads are done."""
    eventually(lambda: len(daemon.log("reload done")) >= times, 60, "the end of the reload")


def routes(scenario: Scenario, *names: str) -> dict[str, Any]:
    """`[routes]` with a topic and a group for each."""
    return {
        name: {
            "topics": [_topic(scenario, name)],
            "order": "none",
            "handlers": 1,
            "kafka": {"group.id": _group(scenario, name)},
        }
        for name in names
    }


def _topic(scenario: Scenario, name: str) -> str:
    return scenario.topic if name == "r" else f"{scenario.topic}-{name}"


def _group(scenario: Scenario, name: str) -> str:
    return scenario.group if name == "r" else f"{scenario.group}-{name}"


def write(scenario: Scenario, *names: str) -> None:
    """The config file with these routes."""
    of = routes(scenario, *names)
    scenario.config(of.pop("r"), routes=of)


def test_handlers_from_two_to_four_to_one_under_load(scenario: Scenario) -> None:
    scenario.produce_numbers(LOAD)
    scenario.app(BUSY)
    scenario.config({"handlers": 2})
    daemon = scenario.start()
    scenario.wait_for("done", 200)
    feeders = daemon.children("feeder")
    scenario.config({"handlers": 4})
    said = reload(scenario)
    assert said.returncode == 0, said.stderr
    assert "routes.r.handlers: 2 -> 4" in said.stdout
    eventually(lambda: len(daemon.children("handler")) == 4, 60)
    done(daemon)
    scenario.config({"handlers": 1})
    assert reload(scenario).returncode == 0
    eventually(lambda: len(daemon.children("handler")) == 1, 60)
    assert daemon.children("feeder") == feeders
    scenario.wait_for_settled()
    scenario.assert_each_once()
    daemon.stop()


def test_a_route_that_is_added_drains_its_backlog_and_one_that_is_removed_leaves_its_group(
    scenario: Scenario,
) -> None:
    second = scenario.kafka.create_topic(_topic(scenario, "second"), 2)
    scenario.produce_numbers(300)
    scenario.kafka.produce(second, (str(number).encode() for number in range(500)))
    scenario.app(TWO.partition('@app.route("second")')[0])
    write(scenario, "r")
    daemon = scenario.start()
    scenario.wait_for("done", 300)
    others = {**daemon.children("handler"), **daemon.children("feeder")}
    # The app's code has to have the route as well.
    scenario.app(TWO)
    write(scenario, "r", "second")
    said = reload(scenario)
    assert said.returncode == 0, said.stderr
    assert "routes.second is added" in said.stdout
    scenario.wait_for("done", 800)
    done(daemon)
    assert set(daemon.children("feeder").items()) == {
        (title, pid) for title, pid in others.items() if title.startswith("feeder")
    }
    assert daemon.children("handler", "second")
    others = {**daemon.children("handler"), **daemon.children("feeder")}
    # And gone again, while the other one goes on.
    scenario.app(TWO.replace('@app.route("second")', ""))
    write(scenario, "r")
    daemon.signal(signal.SIGHUP)
    done(daemon, 2)
    assert not daemon.children("feeder", "second")
    assert not daemon.children("handler", "second")
    assert daemon.log("ring closed")[0]["of_route"] == "second"
    for failed in ("died of an exception", "replacing given up"):
        assert failed not in daemon.log_text()
    scenario.produce_numbers(300)
    scenario.wait_for("done", 1100)
    assert {title: pid for title, pid in others.items() if title.startswith("feeder")} == daemon.children(
        "feeder"
    )
    assert scenario.kafka.committed(_group(scenario, "second"), second) == scenario.kafka.end_offsets(second)
    scenario.assert_each_once()
    daemon.stop()


def test_a_retry_policy_changes_while_messages_wait(scenario: Scenario) -> None:
    scenario.produce_numbers(1)
    scenario.app(
        """
        @app.route("r")
        def handle(value: int, message: Message) -> None:
            tell("call", message)
            raise ValueError("never")
        """
    )
    scenario.config({"retry": {"attempts": 1000, "first_s": 1, "max_s": 1}})
    daemon = scenario.start()
    scenario.wait_for("call", 2)
    scenario.config({"retry": {"attempts": 2, "first_s": 1, "max_s": 1}})
    assert reload(scenario).returncode == 0
    [dead] = scenario.wait_for_dead(1)
    assert dead["attempt"] >= 2
    daemon.stop()


def test_a_reload_under_load_that_replaces_everything_neither_loses_nor_repeats(scenario: Scenario) -> None:
    scenario.produce_numbers(LOAD)
    scenario.app(BUSY)
    daemon = scenario.start()
    scenario.wait_for("done", 200)
    before = set(daemon.children().values())
    scenario.config(log={"exceptions": "class"})
    assert reload(scenario).returncode == 0
    done(daemon)
    assert not before & set(daemon.children().values())
    scenario.wait_for_settled()
    scenario.assert_each_once()
    daemon.stop()


def test_another_topic_is_read_after_the_feeders_have_joined_again(scenario: Scenario) -> None:
    more = scenario.kafka.create_topic(f"{scenario.topic}-more", 1)
    scenario.produce_numbers(50)
    scenario.kafka.produce(more, (str(number).encode() for number in range(50)))
    scenario.app(BUSY)
    daemon = scenario.start()
    scenario.wait_for_settled()
    scenario.config({"topics": [scenario.topic, more]})
    said = reload(scenario)
    assert "its feeders leave the group and rejoin" in said.stdout
    scenario.wait_for("done", 100)
    scenario.wait_for_settled(topic=more)
    scenario.assert_each_once()
    daemon.stop()


def test_new_code_is_seen_without_a_change_of_the_file(scenario: Scenario) -> None:
    scenario.produce_numbers(10)
    scenario.app(BUSY)
    daemon = scenario.start()
    scenario.wait_for_settled()
    before = daemon.children("handler")
    said = reload(scenario)
    assert (said.returncode, said.stdout) == (0, "nothing has changed\n")
    assert daemon.children("handler") == before
    scenario.app(BUSY.replace('tell("done", message)', 'tell("done", message, note="new")'))
    said = reload(scenario)
    assert "code: all handlers are replaced" in said.stdout
    done(daemon, 2)
    scenario.produce_numbers(10)
    scenario.wait_for_settled()
    assert [one.note for one in scenario.events("done")] == [None] * 10 + ["new"] * 10
    daemon.stop()


def test_a_bad_file_and_what_needs_a_restart_change_nothing(scenario: Scenario) -> None:
    scenario.produce_numbers(10)
    scenario.app(BUSY)
    daemon = scenario.start()
    scenario.wait_for_settled()
    before = daemon.staff()
    scenario.config({"handlers": 4, "order": "key"}, commit={"intervall_s": 1})
    said = reload(scenario)
    assert said.returncode == 1
    assert "commit.intervall_s" in said.stderr
    scenario.config({"handlers": 4, "order": "key"})
    said = reload(scenario)
    assert said.returncode == 1
    assert "messages lie in the ring in the old order" in said.stderr
    scenario.config(kafka={"fetch.min.bytes": "many"})
    said = reload(scenario)
    assert said.returncode == 1
    assert "fetch.min.bytes" in said.stderr
    assert daemon.staff() == before
    assert len(daemon.log(REFUSED)) == 3
    scenario.produce_numbers(10)
    scenario.wait_for_settled()
    scenario.assert_each_once()
    daemon.stop()


def test_secrets_of_a_reload_are_in_no_line(scenario: Scenario) -> None:
    scenario.produce_numbers(10)
    scenario.app(BUSY)
    scenario.config(kafka={"ssl.key.password": "hunter2"})
    daemon = scenario.start()
    scenario.wait_for_settled()
    scenario.config(kafka={"ssl.key.password": "hunter3"})
    said = reload(scenario)
    assert said.returncode == 0, said.stderr
    assert "ssl.key.password: *** -> ***" in said.stdout
    done(daemon)
    scenario.produce_numbers(10)
    scenario.wait_for_settled()
    assert "hunter" not in daemon.log_text() + said.stdout + said.stderr
    daemon.stop()
