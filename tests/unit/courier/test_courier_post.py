"""Frames in the courier's hands: acked as one, and opened when the queues will never take one."""

from collections.abc import Iterator, Sequence

import pytest

from ringmain.config.schema import Retry
from ringmain.courier.letters import Desk
from ringmain.courier.post import Post
from ringmain.queues.contract import Refused, Settled
from ringmain.queues.envelope import Envelope, Packed
from ringmain.rings import FeederSide, FeederTerms, Geometry, Segment, bell
from ringmain.verdict import DEAD, OVERFLOW


class Server:
    """A queue server that takes no body above a limit and says so, as RabbitMQ does."""

    limit_bytes = 1 << 20

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.kept: list[tuple[str, Envelope | Packed]] = []
        self._settled = Settled([], [], [])
        self._last = 0

    def room(self) -> int:
        return 100

    def publish(self, batch: Sequence[tuple[str, Envelope | Packed]]) -> list[int]:
        return [self._take(queue, content) for queue, content in batch]

    def _take(self, queue: str, content: Envelope | Packed) -> int:
        self._last += 1
        size = len(content.body) if isinstance(content, Packed) else len(content.value or b"")
        if size > self.most_bytes:
            self._settled.refused.append(Refused(self._last, "too large"))
        else:
            self.kept.append((queue, content))
            self._settled.confirmed.append(self._last)
        return self._last

    def settled(self) -> Settled:
        settled, self._settled = self._settled, Settled([], [], [])
        return settled

    def pump(self) -> None: ...
    def fileno(self) -> None: ...
    def timeout_s(self) -> None: ...
    def away(self) -> None: ...
    def close(self) -> None: ...


@pytest.fixture
def segment() -> Iterator[Segment]:
    made = Segment.create(Geometry(1, 1, 64, 1 << 16), bell())
    yield made
    made.close()


def post_over(segment: Segment, most_bytes: int) -> tuple[Post, Server, FeederSide]:
    side, server = segment.open_feeder(0, 1, FeederTerms()), Server(most_bytes)
    desk = Desk("shop", "orders", "n1", Retry(), server.limit_bytes)
    post = Post(server, {"orders": segment.open_courier(1)}, {"orders": desk})
    side.greet_courier()
    index = side.partition_index("orders", 0)
    side.open_partition(index, 0)
    for offset in range(6):
        side.place(index, offset, b"x" * (50 if offset != 3 else 150), verdict=OVERFLOW)
    side.place(index, 6, b"", verdict=DEAD)
    side.flush()
    return post, server, side


def turn(post: Post, side: FeederSide) -> int:
    post.collect(1_800_000_000_000)
    post.send()
    post.settle(1_800_000_000_000)
    side.settle()
    return side.low_water(0)


def test_a_frame_goes_to_the_overflow_queue_and_settles_all_that_is_in_it(segment: Segment) -> None:
    post, server, side = post_over(segment, 1 << 20)
    assert turn(post, side) == 7
    assert [queue for queue, _ in server.kept] == ["shop.orders.overflow", "shop.orders.dead"]
    assert (post.held, side.busy) == (0, 0)


def test_a_frame_that_is_refused_goes_message_by_message_and_settles_with_the_last(segment: Segment) -> None:
    post, server, side = post_over(segment, 100)
    assert turn(post, side) == 0
    assert [queue for queue, _ in server.kept] == ["shop.orders.dead"]
    assert turn(post, side) == 0  # one of them is refused again
    assert turn(post, side) == 7
    queues = [queue for queue, _ in server.kept[1:]]
    assert queues == ["shop.orders.ready"] * 5 + ["shop.orders.dead"]
    (bare,) = [content for _, content in server.kept[-1:] if isinstance(content, Envelope)]
    assert (bare.offset, bare.value, bare.withheld_bytes) == (3, None, 150)
    assert (bare.first_failed_ms, bare.failed_ms, bare.node) == (*(2 * (1_800_000_000_000,)), "n1")
    assert (post.held, side.busy, post.open_pools()) == (0, 0, ["orders"])


class Stuck(Server):
    """One that confirms nothing of one route, as a queue without a majority; a window of a hundred."""

    def room(self) -> int:
        return 100 - sum(queue.startswith("shop.orders.") for queue, _ in self.kept)

    def _take(self, queue: str, content: Envelope | Packed) -> int:
        ticket = super()._take(queue, content)
        if queue.startswith("shop.orders."):
            self._settled.confirmed.remove(ticket)
        return ticket


def test_a_queue_that_confirms_nothing_stops_no_other_pool() -> None:
    routes = ("orders", "refunds")
    segments = {route: Segment.create(Geometry(1, 1, 256, 1 << 16), bell()) for route in routes}
    feeders = {route: segment.open_feeder(0, 1, FeederTerms()) for route, segment in segments.items()}
    server = Stuck(1 << 20)
    couriers = {route: segment.open_courier(1) for route, segment in segments.items()}
    post = Post(
        server, couriers, {route: Desk("shop", route, "n1", Retry(), server.limit_bytes) for route in routes}
    )
    for side in feeders.values():
        side.greet_courier()
        side.open_partition(side.partition_index("orders", 0), 0)
        for offset in range(200):
            assert side.place(0, offset, b"x", verdict=DEAD)
        side.flush()
    for _ in range(20):
        turn(post, feeders["orders"])
        feeders["refunds"].settle()
    assert [side.low_water(0) for side in feeders.values()] == [0, 200]
    assert 40 <= post.held < 100
    assert post.open_pools() == ["refunds"]
    for segment in segments.values():
        segment.close()
