"""A partition that nobody owns: its owner gave it away and was killed before it could join again.

A settled group answers a static member's successor with what the dead one had, and divides nothing anew.
"""

import signal
import subprocess
import sys
import textwrap

from support.environment import child_environment
from support.nodes import APP
from support.scenario import ROUTE, Scenario

PARTITIONS = 2
SESSION_MS = 45_000
JOINED_S = 60.0

MEMBER = """
    import os, signal, sys
    from confluent_kafka import Consumer

    servers, group, topic, member, session_ms = sys.argv[1:]

    def say(consumer, given):
        print(f"assigned {len(given)}", flush=True)

    def give_away(consumer, taken):
        os.kill(os.getpid(), signal.SIGKILL)

    consumer = Consumer({
        "bootstrap.servers": servers, "group.id": group, "client.id": member, "group.instance.id": member,
        "partition.assignment.strategy": "cooperative-sticky", "session.timeout.ms": session_ms,
        "heartbeat.interval.ms": "500", "enable.auto.commit": "false",
    })
    consumer.subscribe([topic], on_assign=say, on_revoke=give_away)
    while True:
        consumer.poll(0.1)
"""


def join(scenario: Scenario, seat: int) -> subprocess.Popen[str]:
    """One more static member of the scenario's group, named as its node's own will be."""
    member = f"{scenario.group}.{ROUTE}.here.{seat}"
    words = [scenario.kafka.bootstrap, scenario.group, scenario.topic, member, str(SESSION_MS)]
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(MEMBER), *words],
        stdout=subprocess.PIPE, text=True, env=child_environment(),
    )  # fmt: skip


def heard(member: subprocess.Popen[str]) -> str:
    """What it says next."""
    assert member.stdout
    return member.stdout.readline().strip()


def leave_one_to_nobody(scenario: Scenario) -> None:
    """Two members; the first gives one of two partitions away, and dies of it before it joins again."""
    first = join(scenario, 0)
    assert heard(first) == f"assigned {PARTITIONS}"
    second = join(scenario, 1)
    assert heard(second) == "assigned 0"
    assert first.wait(JOINED_S) == -signal.SIGKILL
    second.kill()
    second.wait()
    for one in (first, second):
        assert one.stdout
        one.stdout.close()


def test_a_partition_that_nobody_owns_is_found_and_taken(scenario: Scenario) -> None:
    scenario.create_topic(PARTITIONS)
    scenario.app(APP)
    scenario.config({"consumers": 2}, kafka={"session.timeout.ms": str(SESSION_MS)})
    scenario.produce({"value": f'{{"n": {n}}}', "partition": n % PARTITIONS} for n in range(200))
    leave_one_to_nobody(scenario)
    daemon = scenario.start()
    scenario.wait_for_settled(JOINED_S)
    scenario.assert_all()
    said = daemon.log("nobody owns partitions: the group is asked to divide them anew")
    assert len(said) == 1
    assert said[0]["partitions"] in [f"{scenario.topic}/{partition}" for partition in range(PARTITIONS)]
    daemon.stop()
