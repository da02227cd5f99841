"""The dead set operated beside a running daemon: replayed, republished to a topic, forgotten, expired."""

import json
import subprocess
from typing import Any

from confluent_kafka import Consumer

from support.environment import child_environment
from support.scenario import RINGMAIN, Scenario
from support.waiting import eventually

FIFTY = """
    @app.route("r")
    def handle(order: dict, message: Message) -> None:
        tell("call", message)
        if order["id"] == 50 and not is_open("mended"):
            raise ConnectionError("the ledger is away")
        tell("done", message)
"""
RETRY = {"attempts": 2, "first_s": 1, "max_s": 1}


def ringmain(scenario: Scenario, *arguments: str) -> Any:
    """`ringmain COMMAND … --json` on the scenario's config, which must succeed; what it printed."""
    config = str(scenario.folder / "ringmain.toml")
    command = [*RINGMAIN, *(config if one == "CONFIG" else one for one in arguments), "--json"]
    done = subprocess.run(
        command, env=child_environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def given_a_dead_message(scenario: Scenario) -> dict[str, Any]:
    scenario.produce(
        {"value": b'{"id":%d}' % number, "key": b"k%d" % number, "headers": [("h", b"1"), ("h", None)]}
        for number in range(100)
    )
    scenario.app(FIFTY)
    scenario.config({"retry": RETRY})
    scenario.start()
    [entry] = scenario.wait_for_dead(1)
    return entry


def test_a_replayed_message_goes_through_the_whole_flow_once_more(scenario: Scenario) -> None:
    first = given_a_dead_message(scenario)
    assert (first["attempt"], first["replayed"]) == (2, False)
    ringmain(scenario, "dead", "replay", "CONFIG", "--all", "--yes")
    [again] = eventually(lambda: [one for one in scenario.dead() if one["replayed"]], 60)
    assert (again["attempt"], again["message_id"]) == (2, first["message_id"])
    assert again["first_failed_at"] > first["dead_at"]
    assert [one.attempt for one in scenario.events("call") if one.offset == 50] == [1, 2, 1, 2]
    scenario.open_gate("mended")
    record = ringmain(scenario, "dead", "replay", "CONFIG", "--where", "id=50", "--yes")
    assert (record["state"], record["acted"]) == ("done", 1)
    eventually(lambda: 50 in scenario.offsets("done"), 60)
    assert scenario.dead() == []
    scenario.daemons[-1].stop()


def test_what_was_replayed_while_nothing_ran_is_handled_at_the_next_start(scenario: Scenario) -> None:
    given_a_dead_message(scenario)
    scenario.daemons[-1].stop()
    scenario.open_gate("mended")
    ringmain(scenario, "dead", "replay", "CONFIG", "--all", "--yes")
    assert scenario.dead() == []
    daemon = scenario.start()
    eventually(lambda: not scenario.missing(), 60)
    scenario.assert_each_once()
    daemon.stop()


def test_a_dead_message_is_republished_to_a_topic_with_key_headers_and_origin(scenario: Scenario) -> None:
    entry = given_a_dead_message(scenario)
    topic = scenario.kafka.create_topic(f"{scenario.topic}-again")
    record = ringmain(scenario, "dead", "replay", "CONFIG", "--all", "--yes", "--to-topic", topic)
    assert (record["state"], record["acted"], record["topic"]) == ("done", 1, topic)
    assert scenario.dead() == []
    reader = Consumer(
        {"bootstrap.servers": scenario.kafka.bootstrap, "group.id": topic, "auto.offset.reset": "earliest"}
    )
    reader.subscribe([topic])
    message = eventually(lambda: reader.poll(0.1), 60)
    reader.close()
    assert (message.key(), message.value()) == (b"k50", b'{"id":50}')
    origin = ("ringmain-republished-from", entry["message_id"].encode())
    assert message.headers() == [("h", b"1"), ("h", None), origin]
    scenario.daemons[-1].stop()


def test_a_topic_that_is_not_there_is_not_made_and_nothing_is_done(scenario: Scenario) -> None:
    given_a_dead_message(scenario)
    command = [
        "dead",
        "replay",
        str(scenario.folder / "ringmain.toml"),
        "--all",
        "--yes",
        "--to-topic",
        "ordres",
    ]
    done = subprocess.run(
        [*RINGMAIN, *command],
        env=child_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, "there is no topic 'ordres'" in done.stderr) == (1, True)
    assert "ordres" not in scenario.kafka.topics()
    assert len(scenario.dead()) == 1
    scenario.daemons[-1].stop()


def test_what_has_been_dead_longer_than_keep_s_is_removed_by_the_daemon(scenario: Scenario) -> None:
    scenario.produce_numbers(10)
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message):
            tell("call", message)
            return Dead("no use")
    """)
    scenario.config(dead={"keep_s": 4})
    daemon = scenario.start()
    scenario.wait_for_settled()  # to look at them takes a slow machine longer than they are kept

    def expired() -> int:
        jobs = ringmain(scenario, "jobs", "CONFIG")
        return sum(one["acted"] for one in jobs if one["action"] == "expire")

    eventually(lambda: expired() == 10)
    assert scenario.dead() == []
    daemon.stop()
