"""Nodes that hear each other: two supervisors' parts of it, joined without queues between them."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from ringmain import clock, control
from ringmain.config.schema import Admin, Config, Queues, Route
from ringmain.lifecycle import Announce, Declared, Depths, Expect, Heard, Order, Scouted, Stop
from ringmain.supervise.commands import Later
from ringmain.supervise.neighbours import ANSWER_S, HELLO_S, STALE_S, Neighbours
from ringmain.supervise.peers import HERE, IN_GROUP
from ringmain.supervise.posts import Child, Children, Post

QUEUE = "shop.orders.dead"


@dataclass
class Place:
    """Where a node keeps what the supervisor's nursery and memory are to the part under test."""

    config: Config
    children: Children = field(default_factory=Children)
    told: list[Order] = field(default_factory=list)

    def tell(self, _: Child, order: Order) -> None:
        self.told.append(order)


class Pauses:
    """What all should agree on."""

    def __init__(self) -> None:
        self.known: set[str] = set()

    def encoded(self) -> bytes:
        return " ".join(sorted(self.known)).encode()

    def merge(self, encoded: bytes) -> bool:
        if b"\xff" in encoded:
            raise ValueError("no pauses")
        before = set(self.known)
        self.known |= set(encoded.decode().split())
        return before != self.known


class Node:
    """One node with a herald and a feeder."""

    def __init__(self, name: str, app: str = "shop") -> None:
        route = Route(name="orders", topics=("t",), order="none")
        config = Config(
            app="a:b", name=app, node=name, queues=Queues(backend="sqlite"), routes={"orders": route},
            admin=Admin(advertise=f"http://{name}:8100"),
        )  # fmt: skip
        self.place = Place(config)
        self.herald = self.child(Post("herald"), 1)
        self.feeder = self.child(Post("feed", "orders", "kafka"), 2)
        self.pauses = Pauses()
        self.part = Neighbours(cast("Any", self.place), cast("Any", self.place))
        self.part.shared = self.pauses

    def child(self, post: Post, pid: int) -> Child:
        parts: Any = {"config": None, "index": 0, "incarnation": 1, "row": 1, "leash": None, "stack_fd": -1}
        made = Child(post=post, pid=pid, born_s=0.0, progress=cast("Any", None), booted=True, **parts)
        self.place.children.add(made)
        return made

    def turn(self, later_s: float = 0.0) -> list[bytes]:
        """One turn of its loop; what it has said."""
        self.part.turn(clock.monotonic_s() + later_s)
        return self.said()

    def said(self) -> list[bytes]:
        words = [order.body for order in self.place.told if isinstance(order, Announce)]
        self.place.told = [order for order in self.place.told if not isinstance(order, Announce)]
        return words

    def hear(self, *words: bytes) -> None:
        for word in words:
            self.part.take_heard(self.herald, Heard(word))


def exchange(*nodes: Node, turns: int = 6) -> int:
    """Let them talk until nobody says anything; how many words it took."""
    count = 0
    for _ in range(turns):
        words = [word for node in nodes for word in node.turn()]
        if not words:
            break
        count += len(words)
        for node in nodes:
            node.hear(*words)
    return count


@pytest.fixture
def pair() -> tuple[Node, Node]:
    return Node("n1"), Node("n2")


def test_nodes_learn_of_each_other_and_what_they_own(pair: tuple[Node, Node]) -> None:
    one, other = pair
    other.feeder.partitions = [("t", 1), ("t", 0)]
    assert exchange(*pair) <= 8, "they do not talk for ever"
    [peer] = one.part.peers.picture(clock.monotonic_s())
    assert (peer.node, peer.state, peer.admin) == ("n2", HERE, "http://n2:8100")
    assert peer.partitions == {"orders": ["t/0", "t/1"]}
    assert [peer.node for peer in other.part.peers.picture(clock.monotonic_s())] == ["n1"]


def test_a_hello_comes_every_ten_seconds_and_at_once_when_something_is_new() -> None:
    node = Node("n1")
    assert len(node.turn()) == 1
    assert node.turn() == []
    assert node.turn(HELLO_S / 2) == []
    assert len(node.turn(HELLO_S)) == 1
    node.pauses.known.add("orders")
    assert len(node.turn(HELLO_S + 1)) == 1
    node.feeder.partitions = [("t", 0)]
    assert len(node.turn(HELLO_S + 2)) == 1
    node.herald.pid = 7
    assert len(node.turn(HELLO_S + 3)) == 1, "a new herald has said nothing"


def test_a_pause_is_known_to_all_and_to_one_that_comes_later(pair: tuple[Node, Node]) -> None:
    one, other = pair
    exchange(*pair)
    one.pauses.known.add("orders")
    exchange(*pair)
    assert other.pauses.known == {"orders"}
    late = Node("n3")
    exchange(one, other, late)
    assert late.pauses.known == {"orders"}


def test_foreign_words_are_counted_and_change_nothing() -> None:
    node, stranger = Node("n1"), Node("n2", app="another")
    node.hear(b"", b"\xff" * 100, b"{}", *stranger.turn())
    assert node.part.foreign == 4
    assert node.part.peers.picture(clock.monotonic_s()) == []


def test_pauses_that_are_none_are_counted_and_the_node_is_heard_all_the_same(pair: tuple[Node, Node]) -> None:
    one, other = pair
    other.pauses.encoded = lambda: b"\xff"  # type: ignore[method-assign]
    one.hear(*other.turn())
    assert one.part.foreign == 1
    assert [peer.node for peer in one.part.peers.picture(clock.monotonic_s())] == ["n2"]


def test_two_daemons_with_one_name_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    one, twin = Node("n1"), Node("n1")
    exchange(one, twin)
    exchange(one, twin)
    said = [record for record in caplog.records if record.message == "two nodes with one name"]
    assert len(said) == 2, "once by each"


def test_a_node_that_stops_is_gone_at_once_and_says_nothing_more(pair: tuple[Node, Node]) -> None:
    one, other = pair
    exchange(*pair)
    other.part.part()
    assert [order for order in other.place.told if isinstance(order, Stop)]
    one.hear(*other.said())
    assert one.part.peers.picture(clock.monotonic_s()) == []
    assert other.turn(HELLO_S) == []


SEEK = control.Seek("orders", 1, "earliest")


def test_what_another_node_does_is_answered_here(pair: tuple[Node, Node]) -> None:
    one, other = pair
    asked: list[control.Seek] = []
    later = Later()

    def seek(request: Any) -> Later:
        asked.append(request)
        return later

    other.part.heed(control.Seek, seek)
    exchange(*pair)
    answer = one.part.ask(SEEK)
    assert isinstance(answer, Later)
    exchange(*pair)
    assert asked == [SEEK]
    assert answer.reply is None
    later.answer(control.Done("at offset 0"))
    exchange(*pair)
    assert answer.reply == control.Done("at offset 0")


def test_what_concerns_nobody_is_refused_after_a_while(pair: tuple[Node, Node]) -> None:
    one, other = pair
    other.part.heed(control.Seek, lambda request: None)
    assert isinstance(one.part.ask(SEEK), control.Refused), "nobody is heard yet"
    exchange(*pair)
    answer = one.part.ask(SEEK)
    assert isinstance(answer, Later)
    exchange(*pair)
    assert answer.reply is None
    one.turn(ANSWER_S + 1)
    assert isinstance(answer.reply, control.Refused)


def test_without_a_herald_others_cannot_be_asked(pair: tuple[Node, Node]) -> None:
    one, _ = pair
    exchange(*pair)
    one.herald.booted = False
    answer = one.part.ask(SEEK)
    assert isinstance(answer, control.Refused)
    assert "no herald" in answer.reason


def test_queues_that_one_courier_has_used_all_heralds_count(pair: tuple[Node, Node]) -> None:
    one, other = pair
    one.part.take_declared(one.herald, Declared([QUEUE]))
    assert one.place.told == [Expect([QUEUE])]
    for _ in range(3):
        exchange(*pair)
        other.hear(*one.turn(HELLO_S))
    assert other.place.told == [Expect([QUEUE])], "once, however often it is said"


def test_depths_are_shown_with_zeros_and_not_when_they_are_old() -> None:
    node = Node("n1")
    now_s = clock.monotonic_s()
    assert node.part.queues(now_s) == []
    node.part.take_depths(node.herald, Depths([control.Queue("orders", "dead", 7, 1.5)]))
    shown = {(one.pool, one.queue): one.messages for one in node.part.queues(now_s)}
    assert shown == {("orders", "dead"): 7, ("orders", "delay"): 0, ("orders", "ready"): 0}
    assert node.part.queues(now_s + STALE_S + 1) == []


def test_what_kafka_tells_of_a_group_is_shown_unless_it_could_not_be_asked() -> None:
    node = Node("n1")
    node.part.take_scouted(node.herald, Scouted("orders", members={"n1": {"t": [0]}, "n9": {"t": [1]}}))
    node.part.take_scouted(node.herald, Scouted("orders", reason="refused"))
    [peer] = node.part.peers.picture(clock.monotonic_s())
    assert (peer.node, peer.state, peer.partitions) == ("n9", IN_GROUP, {"orders": ["t/1"]})
