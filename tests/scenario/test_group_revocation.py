"""A partition is taken away while a call of it goes on: it goes in time, and late work moves nothing."""

from collections.abc import Callable

import pytest

from support.nodes import owned, partitions_of, start_node
from support.scenario import Daemon, Scenario
from support.waiting import eventually

REVOKE_S = 2.0
JOINED_S = 60.0
ROOM_S = 3.5
"""Within the session, which would end it as well."""
PARTITIONS = 2

LONG_CALLS = """
    @app.route("r")
    def handle(value: dict, message: Message) -> None:
        tell("begun", message, note=value)
        if value.get("long") and first_time(f"long-{message.partition}"):
            wait_at("long", message)
        tell("done", message, note=value)
"""


def given(scenario: Scenario, order: str) -> Daemon:
    """One node with one feeder for both partitions, a long call under way in each."""
    scenario.create_topic(PARTITIONS)
    scenario.app(LONG_CALLS)
    scenario.config(
        {"order": order, "handlers": 4, "consumers": 1, "timeout_s": 60},
        kafka={"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"},
        membership="dynamic",
        revoke_s=REVOKE_S,
    )
    first = start_node(scenario, "first")
    eventually(lambda: len(partitions_of(first)) == PARTITIONS, JOINED_S)
    for partition in range(PARTITIONS):
        scenario.produce([("k", b'{"long":1}'), ("k", b"{}"), ("other", b"{}")], partition=partition)
    scenario.wait_for("at long", PARTITIONS)
    return first


def moved(first: Daemon, second: Daemon) -> Callable[[], int | None]:
    """A condition: the number of the partition that the second node took over."""

    def asked() -> int | None:
        pairs = partitions_of(second)
        return int(pairs[0].rpartition("/")[2]) + 1 if len(pairs) == 1 == len(partitions_of(first)) else None

    return asked


def test_without_order_the_partition_goes_at_its_deadline_and_a_late_verdict_moves_no_offset(
    scenario: Scenario,
) -> None:
    first = given(scenario, "none")
    handlers = first.children("handler")
    second = start_node(scenario, "second")
    lost = eventually(moved(first, second), JOINED_S) - 1
    kept = 1 - lost
    [line] = [line for line in first.log("revoked") if line["partition"] == lost]
    assert REVOKE_S <= line["seconds"] < REVOKE_S + ROOM_S
    assert line["late"] == 1
    eventually(lambda: scenario.kafka.committed(scenario.group, scenario.topic).get(lost) == 3)
    scenario.produce([b"{}"] * 10, partition=lost)
    eventually(lambda: scenario.kafka.committed(scenario.group, scenario.topic).get(lost) == 13)
    scenario.open_gate("long")
    scenario.wait_for_settled()
    assert scenario.kafka.committed(scenario.group, scenario.topic) == {lost: 13, kept: 3}
    assert first.children("handler") == handlers, "nobody was killed"
    assert scenario.repeats()[scenario.topic, lost, 0] == 1, "the long call, here and there"
    for daemon in (second, first):
        daemon.stop()


@pytest.mark.parametrize("order", ["key", "partition"])
def test_with_an_order_the_handler_is_killed_before_the_partition_is_given_away(
    scenario: Scenario, order: str
) -> None:
    first = given(scenario, order)
    long_calls = {one.partition: one.pid for one in scenario.events("at long")}
    second = start_node(scenario, "second")
    lost = eventually(moved(first, second), JOINED_S) - 1
    kept = 1 - lost
    [line] = [line for line in first.log("revoked") if line["partition"] == lost]
    assert line["seconds"] < REVOKE_S + ROOM_S
    [ended] = [line for line in first.log("child ended") if line["child"].startswith("handler")]
    assert ended["child_pid"] == long_calls[lost]
    assert ended["cause"] == "revoked"
    assert ended["time"] <= line["time"]
    eventually(lambda: scenario.kafka.committed(scenario.group, scenario.topic).get(lost) == 3)
    begun = [one for one in scenario.events("begun") if one.partition == lost and one.key == "k"]
    assert [one.offset for one in begun] == [0, 0, 1], "the next of the key began after the repeated one"
    assert [one.attempt for one in begun] == [1, 1, 1], "nobody was blamed"
    scenario.open_gate("long")
    scenario.wait_for_settled()
    assert long_calls[kept] in first.children("handler").values()
    scenario.assert_all()
    for daemon in (second, first):
        daemon.stop()


def test_the_other_partitions_of_a_member_are_served_while_one_is_given_away(scenario: Scenario) -> None:
    first = given(scenario, "none")
    second = start_node(scenario, "second")
    for partition in range(PARTITIONS):
        scenario.produce([b'{"n":1}'] * 1000, partition=partition)
    lost = eventually(moved(first, second), JOINED_S) - 1
    [line] = [line for line in first.log("revoked") if line["partition"] == lost]
    assert line["seconds"] >= REVOKE_S
    assert owned(first)
    scenario.open_gate("long")
    scenario.wait_for_settled()
    scenario.assert_all()
    for daemon in (second, first):
        daemon.stop()
