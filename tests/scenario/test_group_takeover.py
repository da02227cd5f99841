"""How long a partition stands still when its owner is killed, stopped, restarted or retired.

Under both protocols and both memberships, side by side: nearly all of the time is waiting. The table that
each test prints is README's.
"""

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support import signals
from support.kafka_server import KafkaServer
from support.leftovers import Leftovers
from support.nodes import (
    APP,
    handled_since,
    partitions_of,
    shares,
    start_node,
    steady_load,
    stillness_s,
    table,
)
from support.scenario import Daemon, Scenario, children_are_gone
from support.waiting import eventually

SESSION_S = 6.0
LONG_SESSION_S = 45.0
"""Of who is to be back before it is over: what came sooner did not wait for it."""
SLACK_S = 5.0
"""Less than the session of the consumer protocol, which is the broker's own here."""
ROOM_S = 10.0
JOINED_S = 60.0
KINDS = [
    (protocol, membership) for protocol in ("classic", "consumer") for membership in ("static", "dynamic")
]
Kind = tuple[str, str]
Deed = Callable[[Scenario, Daemon, Daemon | None], None]


@pytest.fixture
def scenarios(leftovers: Leftovers, kafka: KafkaServer, tmp_path: Path) -> Iterator[dict[Kind, Scenario]]:
    """One for each protocol and membership, with two partitions."""
    made = {kind: Scenario(tmp_path / "-".join(kind), kafka, leftovers) for kind in KINDS}
    for (protocol, membership), scenario in made.items():
        scenario.create_topic(2)
        scenario.app(APP)
        configure(scenario, protocol, membership)
    yield made
    ended = [daemon for one in made.values() for daemon in one.daemons if daemon.running]
    for daemon in ended:
        daemon.stop()
    for one in made.values():
        one.close()


def configure(scenario: Scenario, protocol: str, membership: str, session_s: float = SESSION_S) -> None:
    session = {"session.timeout.ms": str(int(session_s * 1000))} if protocol == "classic" else {}
    scenario.config(kafka={"group.protocol": protocol, **session}, membership=membership)


def stood_still_s(scenario: Scenario, nodes: int, deed: Deed) -> float:
    """The longest that a partition went without a handled message because of `deed`."""
    first = start_node(scenario, "first")
    second = None
    if nodes == 2:
        eventually(lambda: partitions_of(first), JOINED_S)
        second = start_node(scenario, "second")
        eventually(lambda: shares(first, second) == [[1], [1]], JOINED_S)
    else:
        eventually(lambda: shares(first) == [[1, 1]], JOINED_S)
    with steady_load(scenario):
        began_ns = time.monotonic_ns()
        eventually(handled_since(scenario, began_ns), JOINED_S)
        began_ns = time.monotonic_ns()
        deed(scenario, first, second)
        gone_ns = time.monotonic_ns()
        eventually(handled_since(scenario, gone_ns), JOINED_S)
    scenario.wait_for_settled()
    scenario.assert_all()
    return max(stillness_s(scenario, began_ns).values())


def measured(scenarios: dict[Kind, Scenario], title: str, nodes: int, deed: Deed) -> dict[Kind, float]:
    """Do it under each protocol and membership at once; prints the row of the table."""
    with ThreadPoolExecutor(len(scenarios)) as pool:
        asked = {kind: pool.submit(stood_still_s, one, nodes, deed) for kind, one in scenarios.items()}
        found = {kind: one.result() for kind, one in asked.items()}
    head = ("longest standstill of a partition, s", *("{}, {}".format(*kind) for kind in KINDS))
    table(
        f"Takeover (session timeout {SESSION_S:g} s)",
        [head, (title, *(f"{found[kind]:.1f}" for kind in KINDS))],
    )
    return found


def kill_a_feeder(_: Scenario, first: Daemon, __: Daemon | None) -> None:
    signals.send(first.kafka_feeders()["feeder r/1"], signal.SIGKILL)


def kill(scenario: Scenario, daemon: Daemon, name: str) -> None:
    """A supervisor killed with -9: its lock's file stays, as it may, and is removed as a reboot would."""
    children = daemon.children().values()
    daemon.kill()
    eventually(children_are_gone(children))
    shutil.rmtree(scenario.folder / "run" / name)


def crash_and_start_again(scenario: Scenario, first: Daemon, _: Daemon | None) -> None:
    kill(scenario, first, "first")
    start_node(scenario, "first")


def stop_and_start_again(scenario: Scenario, first: Daemon, _: Daemon | None) -> None:
    first.stop()
    start_node(scenario, "first")


def stop_for_good(_: Scenario, __: Daemon, second: Daemon | None) -> None:
    assert second
    second.stop()


def kill_for_good(scenario: Scenario, _: Daemon, second: Daemon | None) -> None:
    assert second
    kill(scenario, second, "second")


def retire_a_seat(scenario: Scenario, first: Daemon, _: Daemon | None) -> None:
    second = start_node(scenario, "second")
    eventually(lambda: shares(first, second) == [[1], [1]], JOINED_S)


def test_a_killed_feeder_is_followed_at_once_only_as_a_static_member_of_a_classic_group(
    scenarios: dict[Kind, Scenario],
) -> None:
    configure(scenarios["classic", "static"], "classic", "static", LONG_SESSION_S)
    found = measured(scenarios, "kill -9 of a feeder", 1, kill_a_feeder)
    assert max(found.values()) < SESSION_S + ROOM_S


def test_a_killed_node_that_is_started_again_moves_nothing_as_a_static_member_of_a_classic_group(
    scenarios: dict[Kind, Scenario],
) -> None:
    configure(scenarios["classic", "static"], "classic", "static", LONG_SESSION_S)
    found = measured(scenarios, "kill -9 of the node, started again", 2, crash_and_start_again)
    assert max(found.values()) < SESSION_S + ROOM_S
    assert moved_nothing(scenarios["classic", "static"])


def test_a_restarted_node_moves_nothing_as_a_static_member_of_a_classic_group(
    scenarios: dict[Kind, Scenario],
) -> None:
    configure(scenarios["classic", "static"], "classic", "static", LONG_SESSION_S)
    found = measured(scenarios, "restart of a node", 2, stop_and_start_again)
    assert max(found.values()) < SESSION_S + ROOM_S
    assert moved_nothing(scenarios["classic", "static"])


def moved_nothing(scenario: Scenario) -> bool:
    """Has the second node, which stayed, kept to the partition that it had?"""
    _, second, *_ = scenario.daemons
    return len({line["partition"] for line in second.log("assigned") if "topic" in line}) == 1


def test_a_stopped_dynamic_node_gives_its_partitions_away_at_once(scenarios: dict[Kind, Scenario]) -> None:
    configure(scenarios["classic", "dynamic"], "classic", "dynamic", LONG_SESSION_S)
    found = measured(scenarios, "stop of a node, another one there", 2, stop_for_good)
    assert found["consumer", "dynamic"] < SLACK_S
    assert max(found.values()) < SESSION_S + ROOM_S


def test_a_killed_node_is_followed_by_another_after_the_session_timeout(
    scenarios: dict[Kind, Scenario],
) -> None:
    found = measured(scenarios, "kill -9 of a node, another one there", 2, kill_for_good)
    assert max(found.values()) < SESSION_S + ROOM_S


def test_a_retired_seat_gives_its_partition_away(scenarios: dict[Kind, Scenario]) -> None:
    configure(scenarios["classic", "dynamic"], "classic", "dynamic", LONG_SESSION_S)
    found = measured(scenarios, "a seat retires, another node came", 1, retire_a_seat)
    assert found["consumer", "static"] < SLACK_S
    assert found["consumer", "dynamic"] < SLACK_S
    assert max(found.values()) < SESSION_S + ROOM_S
