"""A courier that is killed between the queues' confirm and the ring: all is carried, some of it twice."""

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from test_courier_loop import Node, Route, depth, node

from ringmain.courier import loop
from ringmain.courier.post import Post
from ringmain.lifecycle import pair
from ringmain.queues import names
from ringmain.queues.sqlite import schema
from ringmain.seat import Seat
from support import signals
from support.forking import forked
from support.waiting import eventually

__all__ = ["node"]

MESSAGES = 50


def live_until(point: str, seat: Seat, said: Connection) -> None:
    """A courier that stands at a point for ever."""

    def stand(*_: object) -> None:
        said.send(point)
        signal.pause()

    if point == "before the commit":
        connect = schema.connect

        def traced(path: Path) -> object:
            connection = connect(path)
            connection.set_trace_callback(lambda sql: stand() if sql == "COMMIT" else None)
            return connection

        schema.connect = traced  # type: ignore[assignment]
    else:
        settle = Post.settle
        Post.settle = lambda post, now_ms: stand() if post.held else settle(post, now_ms)  # type: ignore[method-assign]
    loop.run(seat)


@pytest.mark.parametrize(
    ("point", "left"), [("before the commit", MESSAGES), ("before the ack", 2 * MESSAGES)]
)
def test_what_a_killed_courier_had_is_carried_by_the_next(point: str, left: int, node: Node) -> None:
    orders: Route = node.routes["orders"]
    first = node.start(1)  # makes the queue file, so that the point is the messages' own commit
    orders.fail(range(1))
    eventually(lambda: orders.settle() == 1)
    first.stop()
    leash, link = pair()
    segments = {route: parts.segment for route, parts in node.routes.items()}
    seat = Seat(
        role="courier",
        config=node.config,
        segments=segments,
        board=node.board,
        beat=0,
        link=link,
        incarnation=2,
    )
    heard, said = multiprocessing.Pipe(duplex=False)
    orders.fail(range(1, MESSAGES + 1))
    victim = forked(lambda: live_until(point, seat, said))
    try:
        eventually(lambda: orders.settle() and heard.poll(0))
    finally:
        signals.send(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
    assert orders.settle() == 1
    last = node.start(3)
    eventually(lambda: orders.settle() == MESSAGES + 1)
    assert last.stop() == 0
    assert depth(node, names.delay("shop", "orders", 5)) - 1 == left
    for end in (leash, link, heard, said):
        end.close()
