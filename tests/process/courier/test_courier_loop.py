"""The courier between a real ring and a real queue file, all in this process."""

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec.structs import replace

from ringmain import courier, lifecycle
from ringmain.clock import monotonic_s
from ringmain.config.load import loads
from ringmain.config.schema import Config
from ringmain.courier.loop import Courier
from ringmain.lifecycle import Leash, Stop
from ringmain.queues import names
from ringmain.queues.filters import Filter
from ringmain.queues.sqlite import SqliteQueues
from ringmain.rings import Board, FeederSide, Geometry, HandlerSide, Segment, bell
from ringmain.seat import Seat
from ringmain.verdict import CHANNEL, DEAD, RETRY, Failure, encode
from support.waiting import eventually, never

CONFIG = """
app = "orders:app"
name = "shop"
node = "n1"
state_dir = "{folder}"
[kafka]
bootstrap.servers = "127.0.0.1:1"
[queues]
backend = "sqlite"
path = "{folder}/queues.db"
[routes.orders]
topics = ["orders"]
order = "none"
kafka.group.id = "orders"
[routes.refunds]
topics = ["refunds"]
order = "none"
kafka.group.id = "refunds"
"""
ROUTES = ("orders", "refunds")


@dataclass
class Route:
    """A ring with its feeder and one handler."""

    segment: Segment
    feeder: FeederSide = field(init=False)
    handler: HandlerSide = field(init=False)
    partition: int = field(init=False)

    def __post_init__(self) -> None:
        seat = self.segment.overseer().free_seat()
        self.feeder = self.segment.open_feeder(0, 1)
        self.handler = self.segment.open_handler(seat, self.segment.overseer().admit(seat))
        self.partition = self.feeder.partition_index("orders", 0)
        self.feeder.open_partition(self.partition, 0)

    def fail(self, offsets: range, code: int = RETRY, failure: Failure | None = None) -> None:
        """Messages that their handler did not get done."""
        detail = encode(failure or Failure(error_class="Declined", error_message="no"))
        for offset in offsets:
            assert self.feeder.place(self.partition, offset, b'{"id":%d}' % offset, key=b"k")
        self.feeder.flush()
        left = len(offsets)
        while left:
            for claim in self.handler.claim(16):
                self.handler.finish(claim, code, detail)
                left -= 1
        self.handler.flush()
        self.settle()

    def settle(self) -> int:
        """The feeder's turn; the first offset that is not settled."""
        self.feeder.settle()
        self.feeder.greet_courier()
        self.feeder.flush()
        return self.feeder.low_water(self.partition)


@dataclass
class Node:
    """What a courier lives in."""

    config: Config
    routes: dict[str, Route]
    board: Board = field(default_factory=lambda: Board(1))

    @property
    def queues(self) -> SqliteQueues:
        return SqliteQueues("shop", Path(self.config.queues.path))

    def start(self, incarnation: int = 1) -> "Running":
        leash, link = lifecycle.pair()
        seat = Seat(
            role="courier",
            config=self.config,
            segments={route: parts.segment for route, parts in self.routes.items()},
            board=self.board,
            beat=0,
            link=link,
            incarnation=incarnation,
        )
        codes: list[int] = []

        def live() -> None:
            with closing(link):
                codes.append(courier.run(seat))

        thread = threading.Thread(target=live, daemon=True)
        thread.start()
        return Running(leash, thread, codes)


@dataclass
class Running:
    leash: Leash
    thread: threading.Thread
    codes: list[int]

    def stop(self, within_s: float = 5.0) -> int:
        self.leash.send(Stop(monotonic_s() + within_s))
        return self.end()

    def end(self) -> int:
        self.thread.join(30)
        assert not self.thread.is_alive()
        self.leash.close()
        return self.codes[0]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    config = loads(CONFIG.format(folder=tmp_path), folder=str(tmp_path))
    courier_bell = bell()
    geometry = Geometry(feeders=1, handlers=2, slots=512, arena_bytes=1 << 20)
    node = Node(config, {name: Route(Segment.create(geometry, courier_bell)) for name in ROUTES})
    yield node
    for route in node.routes.values():
        route.segment.close()
    node.board.close()
    os.close(courier_bell)


@pytest.fixture
def start(node: Node) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def begin(incarnation: int = 1) -> Running:
        started.append(node.start(incarnation))
        return started[-1]

    yield begin
    for running in started:
        running.leash.close()
        running.thread.join(10)


def depth(node: Node, queue: str) -> int:
    found = node.queues.depths().get(queue)
    return found.messages if found else 0


def test_failed_messages_of_every_route_are_carried_and_then_settled(
    node: Node, start: Callable[..., Running]
) -> None:
    running = start()
    for route in node.routes.values():
        route.fail(range(100))
    for name, route in node.routes.items():
        eventually(lambda route=route: route.settle() == 100)  # type: ignore[misc]
        assert depth(node, names.delay("shop", name, 5)) == 100
    assert running.stop() == lifecycle.OK
    assert node.board.age_s(0) < 10


@pytest.mark.parametrize(("order", "rests"), [("none", True), ("partition", False), ("key", False)])
def test_it_rests_behind_a_few_unless_an_order_waits_for_their_confirm(
    node: Node, start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch, order: str, rests: bool
) -> None:
    turns: list[str] = []
    linger = Courier._linger
    monkeypatch.setattr(Courier, "_linger", lambda self: (turns.append("rests"), linger(self)))
    node.config = replace(
        node.config,
        routes={name: replace(route, order=order) for name, route in node.config.routes.items()},
    )
    running = start()
    node.routes["orders"].fail(range(5), DEAD)
    eventually(lambda: node.routes["orders"].settle() == 5)
    assert running.stop() == lifecycle.OK
    assert bool(turns) is rests


def test_each_verdict_goes_to_its_queue(node: Node, start: Callable[..., Running]) -> None:
    start()
    orders = node.routes["orders"]
    orders.fail(range(3), DEAD)
    orders.fail(range(3, 5))
    eventually(lambda: orders.settle() == 5)
    assert depth(node, "shop.orders.dead") == 3
    assert depth(node, "shop.orders.delay.5") == 2


def test_a_message_for_a_channel_that_nobody_serves_is_dead(
    node: Node, start: Callable[..., Running]
) -> None:
    start()
    orders = node.routes["orders"]
    orders.fail(range(1), CHANNEL, Failure(channel="slow"))
    eventually(lambda: orders.settle() == 1)
    with closing(node.queues.dead_set()) as dead:
        (entry,) = dead.page(Filter(), 5).entries
    assert (entry.error_class, bytes(entry.value)) == ("UnknownChannel", b'{"id":0}')


def test_while_the_queues_are_away_slots_stay_and_it_is_said_once(
    node: Node, start: Callable[..., Running], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    orders = node.routes["orders"]
    running = start()
    orders.fail(range(10))
    eventually(lambda: orders.settle() == 10)
    with closing(sqlite3.connect(node.config.queues.path, isolation_level=None)) as hog:
        hog.execute("BEGIN IMMEDIATE")
        orders.fail(range(10, 200))
        eventually(lambda: "queues are away" in caplog.messages)
        never(lambda: orders.settle() > 10, 0.5)
        assert running.thread.is_alive()
    eventually(lambda: orders.settle() == 200)
    eventually(lambda: "queues are back" in caplog.messages)
    assert caplog.messages.count("queues are away") == 1
    assert depth(node, names.delay("shop", "orders", 5)) == 200
    states = [report.state for report in running.leash.receive() if isinstance(report, lifecycle.Status)]
    assert states == ["unreachable", "ok"]


def test_what_one_courier_leaves_the_next_one_carries(node: Node, start: Callable[..., Running]) -> None:
    orders = node.routes["orders"]
    with closing(node.queues.publisher()) as maker:
        maker.publish([])
        maker.pump()
    orders.fail(range(50))
    first = start(1)
    first.leash.close()
    first.end()
    orders.fail(range(50, 100))
    start(2)
    eventually(lambda: orders.settle() == 100)
    assert depth(node, names.delay("shop", "orders", 5)) >= 100


def test_told_to_stop_it_carries_what_is_there_first(node: Node, start: Callable[..., Running]) -> None:
    orders = node.routes["orders"]
    orders.fail(range(300))
    running = start()
    eventually(lambda: lifecycle.Booted() in running.leash.receive())
    orders.settle()
    assert running.stop() == lifecycle.OK
    assert orders.settle() == 300


def test_with_the_queues_away_it_stops_at_its_deadline_and_settles_nothing(
    node: Node, start: Callable[..., Running], tmp_path: Path
) -> None:
    Path(node.config.queues.path).mkdir()
    orders = node.routes["orders"]
    running = start()
    orders.fail(range(5))
    assert running.stop(within_s=0.5) == lifecycle.OK
    assert orders.settle() == 0


def test_with_the_queues_away_and_nothing_for_them_a_stop_waits_for_nothing(
    node: Node, start: Callable[..., Running], caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = replace(node.config.queues, backend="rabbitmq", url=("amqp://127.0.0.1:1/",))
    node.config = replace(node.config, queues=nowhere)
    running = start()
    eventually(lambda: "queues are away" in caplog.messages)
    begun_s = monotonic_s()
    assert running.stop(within_s=40.0) == lifecycle.OK
    assert monotonic_s() - begun_s < 20.0
    assert "stopped before all was carried" not in caplog.messages


def test_an_idle_courier_wakes_about_once_a_second(node: Node, start: Callable[..., Running]) -> None:
    running = start()
    eventually(lambda: node.board.age_s(0) > 0.5)
    assert running.thread.is_alive()
    eventually(lambda: node.board.age_s(0) < 0.5, 10.0)
