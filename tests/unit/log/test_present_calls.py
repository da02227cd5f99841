"""Which message or batch a process says that its call is about: within it, in the thread that serves."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from ringmain import App
from ringmain.config.load import tree_for_tests
from ringmain.config.schema import Config
from ringmain.handle import plan, present
from ringmain.logging import Present, Several
from ringmain.message import Message

MESSAGE = Message(b"{}", topic="orders", route="orders")


class Side:
    """A side that executes one message."""

    def present(self, route: str, channel: str) -> Message | None:
        return MESSAGE if (route, channel) == ("orders", "review") else None


def in_a_thread(ask: Callable[[], Any]) -> Any:
    found: list[Any] = []
    asking = threading.Thread(target=lambda: found.append(ask()))
    asking.start()
    asking.join()
    return found[0]


def config_of(*topics: str) -> Config:
    return tree_for_tests(
        {
            "app": "orders:app",
            "name": "billing",
            "queues": {"backend": "sqlite"},
            "kafka": {"bootstrap.servers": "a:1", "group.id": "g"},
            "routes": {"orders": {"topics": topics, "order": "none"}},
        }
    )


def loading(load: Callable[..., None], *topics: str) -> tuple[Callable[..., Any], Present]:
    """The call of a batch route as its process makes it, and whoever is asked within it."""
    app, config = App(), config_of(*topics)
    app.batch_route("orders")(load)
    made, ask = present.of_batches(plan.build(app, config, "orders", "", lambda _: None), config)
    return made.spec.call, ask


def test_the_message_is_the_serving_threads_alone() -> None:
    ask = present.of_one(Side(), "orders", "review")
    assert ask() is MESSAGE
    assert in_a_thread(ask) is None


@pytest.mark.parametrize(
    ("topics", "topic"), [(("orders-v2",), "orders-v2"), (("a", "b"), ""), (("^orders.*",), "")]
)
def test_a_batch_has_a_topic_where_its_route_has_one(topics: tuple[str, ...], topic: str) -> None:
    found: list[object] = []

    def load(orders: list[int]) -> None:
        found.extend([ask(), in_a_thread(ask)])

    call, ask = loading(load, *topics)
    call([1, 2])
    assert found == [Several("orders", "", topic, 2), None]
    assert ask() is None


def test_after_a_batch_that_fails_there_is_none() -> None:
    def load(orders: list[int], messages: list[Message]) -> None:
        raise LookupError

    call, ask = loading(load, "orders")
    with pytest.raises(LookupError):
        call([1], [MESSAGE])
    assert ask() is None
