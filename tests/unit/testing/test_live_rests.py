"""When a live harness takes a daemon for settled: by the broker's own ends, not by what a feeder believes."""

import math
from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace

import pytest

from ringmain.control import Node, Partition, Ring
from ringmain.demo.snapshot import Counted
from ringmain.errors import NoAnswer, RingmainError
from ringmain.queues.contract import Depth
from ringmain.testing import live as lives
from ringmain.testing.live import LiveHarness

CONFIG = """
name = "shop"
app = "orders:app"
queues.backend = "sqlite"
kafka.bootstrap.servers = "localhost:9092"
[routes.orders]
topics = ["orders", "^more-"]
order = "none"
kafka.group.id = "shop.orders"
[routes.bills]
topics = ["bills"]
order = "none"
kafka.group.id = "shop.bills"
"""
ALL_DONE = {("orders", "orders", 0): 3, ("orders", "orders", 1): -1, ("bills", "bills", 0): 2}
ENDS = {"orders": [3, 0], "bills": [2], "nobody-reads-it": [7]}


class Told:
    """What node, queues and broker say, and in which order they were asked."""

    def __init__(self) -> None:
        self.committed = dict(ALL_DONE)
        self.used = 0
        self.queued: dict[str, int] = {}
        self.broker = {topic: list(ends) for topic, ends in ENDS.items()}
        self.asked: list[str] = []

    def node(self, *_: object) -> Node:
        self.asked.append("node")
        partitions = [_owned(*place, committed) for place, committed in self.committed.items()]
        ring = Ring("orders", "feeder orders/0", 64, self.used, self.used / 64, 0)
        return Node(
            "shop", "here", "", 1, [], 0, 1.0, "running", True, [], [], [], partitions, [ring], [], []
        )

    def depths(self) -> dict[str, Depth]:
        self.asked.append("queues")
        return {name: Depth(messages, 0, None) for name, messages in self.queued.items()}

    def ends(self) -> dict[str, list[int]]:
        self.asked.append("broker")
        return self.broker


def _owned(route: str, topic: str, partition: int, committed: int) -> Partition:
    """As its feeder sees it, whose end is from before the last messages came."""
    return Partition(
        route, topic, partition, "feeder", committed, committed, committed, 0, 0, 0, None, "running"
    )


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    one = Told()
    monkeypatch.setattr(lives, "_PAUSE_S", 0.0)
    monkeypatch.setattr("ringmain.asking.ask", one.node)
    return one


@pytest.fixture
def live(tmp_path: Path, told: Told) -> LiveHarness:
    (tmp_path / "ringmain.toml").write_text(CONFIG)
    harness = LiveHarness(tmp_path / "ringmain.toml")
    counts = chain([Counted()] * 3, repeat(Counted(at_s=math.inf, done=5)))
    daemon = SimpleNamespace(check=lambda: None, last_words=lambda: "its words", counted=lambda: next(counts))
    for name, stand_in in (("_daemon", daemon), ("_queues", told), ("_hand", told), ("_socket", "")):
        setattr(harness, name, stand_in)
    return harness


def test_what_is_committed_to_the_brokers_ends_is_settled(live: LiveHarness, told: Told) -> None:
    live.settle()


def test_the_broker_is_asked_last_and_the_node_before_the_queues(live: LiveHarness, told: Told) -> None:
    live._left()
    assert told.asked[-3:] == ["node", "queues", "broker"]


def test_counts_are_those_of_after_the_end(live: LiveHarness) -> None:
    live.settle()
    assert live.counted().done == 5


def ends(topic: str, *offsets: int) -> Callable[[Told], None]:
    return lambda told: told.broker.update({topic: list(offsets)})


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (ends("bills", 3), "route bills has committed 2 of 3 in bills/0"),
        (ends("orders", 3, 1), "route orders has committed 0 of 1 in orders/1"),
        (ends("bills", 2, 1), "route bills has committed 0 of 1 in bills/1"),
        (ends("more-bills", 0, 1), "route orders has committed 0 of 1 in more-bills/1"),
        (lambda told: setattr(told, "used", 2), "rings hold 2 messages"),
        (lambda told: told.queued.update({"shop.orders.ready": 1}), "shop.orders.ready holds 1 messages"),
    ],
    ids=["sent since", "nothing committed", "nobody's yet", "by pattern", "in a ring", "in a queue"],
)
def test_what_is_left_is_waited_for_and_said(
    live: LiveHarness, told: Told, change: Callable[[Told], None], left: str
) -> None:
    change(told)
    with pytest.raises(RingmainError, match=left):
        live.settle(0.0)


def test_the_dead_are_settled(live: LiveHarness, told: Told) -> None:
    told.queued["shop.orders.dead"] = 3
    assert live._left() == ""


def test_a_daemon_that_does_not_listen_yet_is_waited_for(
    live: LiveHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object) -> Node:
        raise NoAnswer("shop.control", "nobody listens")

    monkeypatch.setattr("ringmain.asking.ask", silent)
    with pytest.raises(RingmainError, match="nobody listens"):
        live.settle(0.0)
