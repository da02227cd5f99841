"""Transactional routes: of each message exactly one output is seen by who reads committed ones, whatever dies.

The oracle is the sequence: each input has its number, an output repeats it, and an input partition goes to one
output partition. Kills come at random moments; TX_SEED in the environment repeats a run.
"""

import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress

import pytest

from support import signals
from support.scenario import Daemon, Scenario
from support.topic_contents import contents

APP = """
    out = app.producer("out")

    @app.route("r")
    def handle(number: int, message: Message):
        {before}
        out.send({topic!r}, number, partition=message.partition, headers={{"from": message.id}})
        {after}
"""
PARTITIONS = 2


def set_up(scenario: Scenario, before: str = "pass", after: str = "pass", **route: object) -> str:
    """The app and its config; the topic that it sends to."""
    output = scenario.kafka.create_topic(partitions=PARTITIONS)
    scenario.app(APP.format(topic=output, before=before, after=after))
    own = {"order": None, "transactional": True, "handlers": 3, "flood": False, **route}
    scenario.config(own, producers={"out": {}}, commit={"interval_s": 0.2})
    scenario.create_topic(PARTITIONS)
    return output


def produce(scenario: Scenario, count: int, first: int = 0) -> None:
    items = ({"value": str(n), "partition": n % PARTITIONS} for n in range(first, first + count))
    scenario.produce(items)


def sequences(scenario: Scenario, output: str) -> dict[int | None, list[int]]:
    found: dict[int | None, list[int]] = {}
    for one in contents(scenario.kafka, output):
        found.setdefault(one.partition(), []).append(int(one.value() or b""))
    return found


def assert_exactly_once(scenario: Scenario, output: str, count: int, without: tuple[int, ...] = ()) -> None:
    found = sequences(scenario, output)
    seen = Counter(number for sequence in found.values() for number in sequence)
    repeated = {number: times for number, times in seen.items() if times > 1}
    missing = set(range(count)) - set(seen) - set(without)
    assert not repeated and not missing, (
        f"{len(repeated)} repeated, {len(missing)} missing: {repeated} {missing}"
    )
    assert not set(without) & set(seen)
    assert all(sequence == sorted(sequence) for sequence in found.values())


def test_every_message_has_its_output_once_and_in_order(scenario: Scenario) -> None:
    output = set_up(scenario)
    produce(scenario, 5000)
    daemon = scenario.start()
    scenario.wait_for_settled()
    assert_exactly_once(scenario, output, 5000)
    daemon.stop()


def luck() -> random.Random:
    seed = int(os.environ.get("TX_SEED", random.getrandbits(32)))
    print(f"TX_SEED={seed}")
    return random.Random(seed)


def kill(daemon: Daemon, role: str, chance: random.Random) -> None:
    if children := daemon.children(role):
        with suppress(ProcessLookupError):
            signals.send(chance.choice(sorted(children.values())), signal.SIGKILL)


@pytest.mark.parametrize("role", ["handler", "feeder"])
def test_nothing_is_repeated_or_missing_when_children_are_killed(scenario: Scenario, role: str) -> None:
    chance, count = luck(), 6000
    output = set_up(scenario, before="block_for(0.001)", max_crashes=60)
    produce(scenario, count)
    daemon = scenario.start()
    daemon.wait_until_at_work(3)
    for _ in range(8):
        time.sleep(chance.uniform(0.1, 0.8))
        kill(daemon, role, chance)
    scenario.wait_for_settled(90.0)
    assert_exactly_once(scenario, output, count)
    assert scenario.dead() == []
    daemon.stop()


def test_nothing_is_repeated_or_missing_when_the_supervisor_is_killed(scenario: Scenario) -> None:
    chance, count = luck(), 6000
    output = set_up(scenario, before="block_for(0.001)", max_crashes=60)
    produce(scenario, count)
    for _ in range(4):
        daemon = scenario.start()
        daemon.wait_until_at_work(3)
        time.sleep(chance.uniform(0.0, 1.0))
        daemon.kill()
    last = scenario.start()
    scenario.wait_for_settled(90.0)
    assert_exactly_once(scenario, output, count)
    last.stop()
