"""Several nodes in one group: each takes its share of seats, and no coming or going costs a message."""

import pytest

from support.nodes import APP, owned, partitions_of, shares, start_node, steady_load
from support.scenario import Scenario
from support.waiting import eventually

PARTITIONS = 4
ROUNDS = 5
JOINED_S = 60.0
COMMITTED_EVERY_S = 0.2


def given(scenario: Scenario, protocol: str, membership: str = "dynamic") -> None:
    """A topic with four partitions, an app, and a config that both nodes share."""
    scenario.create_topic(PARTITIONS)
    scenario.app(APP)
    kafka = {"group.protocol": protocol}
    if protocol == "classic":
        kafka |= {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"}
    scenario.config(kafka=kafka, membership=membership)


def test_a_second_node_coming_and_going_five_times_under_load_costs_no_message(scenario: Scenario) -> None:
    given(scenario, "classic")
    first = start_node(scenario, "first")
    eventually(lambda: len(partitions_of(first)) == PARTITIONS, JOINED_S)
    with steady_load(scenario):
        for _ in range(ROUNDS):
            second = start_node(scenario, "second")
            eventually(lambda: partitions_of(first) and partitions_of(second), JOINED_S)  # noqa: B023
            second.stop()
        eventually(lambda: len(partitions_of(first)) == PARTITIONS, JOINED_S)
    scenario.wait_for_settled()
    scenario.assert_all()
    assert not scenario.repeats(), "each node gave its partitions away behind a commit"
    first.stop()


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_seats_are_the_share_of_each_live_node_and_move_one_at_a_time(
    scenario: Scenario, protocol: str
) -> None:
    given(scenario, protocol)
    first = start_node(scenario, "first")
    eventually(lambda: shares(first) == [[1, 1, 1, 1]], JOINED_S)
    second = start_node(scenario, "second")
    eventually(lambda: shares(first, second) == [[1, 1], [1, 1]], JOINED_S)
    second.stop()
    eventually(lambda: shares(first) == [[1, 1, 1, 1]], JOINED_S)
    retired = [line["time"] for line in first.log("retiring")]
    assert len(retired) == 2
    assert sorted(owned(first)) == [f"feeder r/{seat}" for seat in range(PARTITIONS)]
    first.stop()
