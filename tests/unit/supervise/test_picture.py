"""The picture put together from what was seen."""

from dataclasses import replace

import pytest

from ringmain.config.load import from_tree
from ringmain.config.pools import pools
from ringmain.control import PausedBy, Process, Ring
from ringmain.supervise.picture import Identity, PartitionSight, PoolSight, View, eta_s, paint
from ringmain.supervise.poolsight import usual_s
from ringmain.supervise.wellness import PartitionFacts, PlaceFacts, PoolFacts

CONFIG = from_tree(
    {
        "app": "orders:app",
        "name": "shop",
        "kafka": {"bootstrap.servers": "127.0.0.1:1", "group.id": "shop"},
        "queues": {"backend": "sqlite"},
        "routes": {"orders": {"topics": ["t"], "order": "key", "handlers": 2}},
    }
)
POOL = PoolSight(
    pools(CONFIG)[0],
    PoolFacts("orders", wanted=2, alive=2, busy=1),
    (90, 1, 2, 3, 4),
    (9.0, 0, 0, 0, 0),
    0.01,
)
PARTITION = PartitionSight(
    facts=PartitionFacts("orders", "t/0", behind=60, still_s=0.0),
    route="orders",
    topic="t",
    partition=0,
    owner="feeder orders/0",
    position=150,
    committed=90,
    end=200,
    low_water=100,
    lag_s=3.5,
    rate_per_s=30.0,
    growth_per_s=10.0,
)
VIEW = View(
    identity=Identity("shop", "n1", "0.1.0", 42, ["worker"], 1_700_000_000_000),
    state="running",
    uptime_s=12.0,
    places=[PlaceFacts("courier", "courier")],
    processes=[Process("courier", "courier", 43)],
    pools=[POOL],
    partitions=[PARTITION],
    rings=[Ring("orders", "feeder orders/0", 64, 32, 0.5, 3)],
    restarts={"handler orders crashed": 2},
)


def test_a_node_that_is_well() -> None:
    node = paint(VIEW)
    assert (node.name, node.node, node.pid, node.state, node.ready) == ("shop", "n1", 42, "running", True)
    assert node.reasons == []
    assert node.queues_away == ""
    assert node.restarts == {"handler orders crashed": 2}


def test_a_pool_has_its_outcomes_by_name() -> None:
    pool = paint(VIEW).pools[0]
    assert pool.outcomes == {"done": 90, "skip": 1, "retry": 2, "dead": 3, "channel": 4}
    assert pool.rates_per_s["done"] == 9.0
    assert (pool.handlers, pool.alive, pool.busy, pool.order) == (2, 2, 1, "key")


def test_a_pool_seen_once_has_rates_of_zero() -> None:
    pool = paint(replace(VIEW, pools=[replace(POOL, rates=())])).pools[0]
    assert set(pool.rates_per_s.values()) == {0.0}


def test_the_lag_is_what_is_not_committed_and_shrinks_by_what_is_settled_less_what_comes() -> None:
    partition = paint(VIEW).partitions[0]
    assert (partition.lag, partition.ahead, partition.lag_s) == (110, 50, 3.5)
    assert partition.eta_s == 5.5


@pytest.mark.parametrize(("lag", "per_s", "expected"), [(0, -5.0, 0.0), (10, 0.0, None), (10, -1.0, None)])
def test_a_lag_that_does_not_shrink_never_ends(lag: int, per_s: float, expected: float | None) -> None:
    assert eta_s(lag, per_s) == expected


def test_what_is_not_known_yet_is_no_lag() -> None:
    unknown = replace(PARTITION, position=-1, committed=-1, end=-1, low_water=-1)
    partition = paint(replace(VIEW, partitions=[unknown])).partitions[0]
    assert (partition.lag, partition.ahead, partition.eta_s) == (0, 0, 0.0)


@pytest.mark.parametrize(
    ("sight", "state"),
    [
        (PARTITION, "running"),
        (replace(PARTITION, ring_is_full=True), "waiting"),
        (replace(PARTITION, facts=replace(PARTITION.facts, still_s=60.0)), "standing"),
        (replace(PARTITION, facts=replace(PARTITION.facts, still_s=60.0, paused=True)), "paused"),
    ],
)
def test_the_state_of_a_partition(sight: PartitionSight, state: str) -> None:
    assert paint(replace(VIEW, partitions=[sight])).partitions[0].state == state


def test_a_partition_whose_feeder_cannot_reach_kafka_is_unreachable() -> None:
    away = PlaceFacts(
        "feeder orders/0", "feeder", "orders", state="unreachable", detail="Kafka does not answer"
    )
    assert paint(replace(VIEW, places=[away])).partitions[0].state == "unreachable"


def test_a_partition_of_a_paused_route_is_paused() -> None:
    paused = replace(POOL, facts=replace(POOL.facts, paused=[PausedBy("operator")]))
    node = paint(replace(VIEW, pools=[paused]))
    assert node.partitions[0].state == "paused"
    assert node.ready


@pytest.mark.parametrize("role", ["courier", "herald"])
def test_queues_that_are_away_are_said_with_the_reason_of_who_needs_them(role: str) -> None:
    away = PlaceFacts(role, role, state="unreachable", detail="connection refused")
    node = paint(replace(VIEW, places=[away]))
    assert node.queues_away == "connection refused"
    assert node.ready == (role == "herald"), "no message needs the herald"


def test_what_calls_usually_take_leaves_out_one_in_a_hundred() -> None:
    fast = [0] * 40
    fast[10], fast[38] = 990, 1
    assert 0.00001 < usual_s(fast) < 0.0001
    fast[38] = 500
    assert usual_s(fast) > 0.1
    assert usual_s([0] * 40) == 0.0
    assert usual_s([]) == 0.0
