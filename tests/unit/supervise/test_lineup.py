"""Which processes and rings a node has, by its modes."""

from collections import Counter
from typing import Any

import pytest

from ringmain.config.schema import Channel, Config, Queues, Route
from ringmain.supervise import lineup

SEATS = {"orders": 15, "orders.express": 15}


def config(*modes: Any, **route: Any) -> Config:
    channels = {"express": Channel(handlers=3)}
    orders = Route(name="orders", topics=("orders",), order="none", handlers=2, channels=channels, **route)
    return Config(
        app="a:b", name="shop", queues=Queues(backend="sqlite"), routes={"orders": orders}, modes=modes
    )


def lined_up(config: Config, *unhandled: str) -> dict[str, int]:
    """How many of each: `feed orders` 1, ..."""
    return Counter(f"{post.role} {post.pool}".strip() for post in lineup.posts(config, unhandled, SEATS))


QUEUES = {"feed orders": 1, "feed orders.express": 1}
OWN, EXPRESS = {"handle orders": 2}, {"handle orders.express": 3}
AROUND = {"herald": 1, "admin": 1}
COURIER = {"courier": 1} | AROUND


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        (("stream-worker", "worker"), QUEUES | OWN | EXPRESS | COURIER),
        (("worker",), QUEUES | OWN | EXPRESS | COURIER),
        (("stream-worker",), OWN | COURIER),
        (("api-server",), AROUND),
        (("management-api",), AROUND),
    ],
)
def test_a_node_has_what_its_modes_ask_for(modes: tuple[str, ...], expected: dict[str, int]) -> None:
    assert lined_up(config(*modes)) == expected


def test_only_a_worker_has_the_rings_of_channels() -> None:
    assert [pool.key for pool in lineup.rings(config("worker"))] == ["orders", "orders.express"]
    assert [pool.key for pool in lineup.rings(config("stream-worker"))] == ["orders"]
    assert lineup.rings(config("api-server")) == []


@pytest.mark.parametrize("mode", ["worker", "stream-worker"])
def test_a_route_that_goes_through_a_channel_has_own_handlers_only_where_it_has_own_retries(
    mode: str,
) -> None:
    through = config(mode, through="express")
    assert lined_up(through)["handle orders"] == (2 if mode == "worker" else 0)
    assert lined_up(through, "orders")["handle orders"] == 0
    assert lined_up(through, "orders")["courier"] == 1
