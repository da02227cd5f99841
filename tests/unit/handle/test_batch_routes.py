"""What may be registered as a batch route, what a Batch may say, and how the config bounds it."""

import pytest

from ringmain import App, Batch, Message
from ringmain.config.load import tree_for_tests
from ringmain.errors import AppError, ConfigError
from ringmain.signature import WANTS_MESSAGE, WANTS_ONLY_MESSAGE, WANTS_RAW, WANTS_VALUE, RouteSpec


def spec_of(function) -> RouteSpec:
    app = App()
    assert app.batch_route("r")(function) is function
    return app.handler_of("r")


def test_the_items_of_the_list_decide_the_decoding() -> None:
    def values(orders: list[dict[str, int]]) -> None: ...
    def both(orders: list[int], messages: list[Message]) -> Batch | None: ...
    def raw(values: list[bytes]) -> None: ...
    def only(messages: list[Message]) -> None: ...
    async def optional(orders: list[int | None]) -> Batch: ...

    seen = {
        one.__name__: (spec.type, spec.wants, spec.accepts_none, spec.is_async, spec.batch)
        for one in (values, both, raw, only, optional)
        for spec in [spec_of(one)]
    }
    assert seen == {
        "values": (dict[str, int], WANTS_VALUE, False, False, True),
        "both": (int, WANTS_VALUE | WANTS_MESSAGE, False, False, True),
        "raw": (bytes, WANTS_RAW, False, False, True),
        "only": (Message, WANTS_ONLY_MESSAGE, True, False, True),
        "optional": (int | None, WANTS_VALUE, True, True, True),
    }


def single(order: dict) -> None: ...
def bare(orders: list) -> None: ...
def single_message(orders: list[dict], message: Message) -> None: ...
def twice(messages: list[Message], more: list[Message]) -> None: ...
def unannotated(orders) -> None: ...
def three(orders: list[dict], messages: list[Message], more: list[Message]) -> None: ...
def keyed(orders: list[dict], *, key: int) -> None: ...
def number(orders: list[dict]) -> int: ...  # type: ignore[empty-body]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (single, "needs 'order' annotated as a list that says of what"),
        (bare, "needs 'orders' annotated as a list that says of what"),
        (single_message, "needs 'message' annotated as a list that says of what"),
        (twice, "asks for the Message twice; it takes (values: list[TYPE])"),
        (unannotated, "needs 'orders' annotated as a list"),
        (three, "it takes (values: list[TYPE]), (values: list[TYPE], messages: list[Message])"),
        (keyed, "takes no 'key'"),
        (number, "returns int, which is no outcome"),
    ],
)
def test_what_cannot_be_called_with_lists_is_refused_with_its_place(function, said: str) -> None:
    with pytest.raises(AppError, match="the batch handler of route 'r'") as refusal:
        App().batch_route("r")(function)
    assert said in str(refusal.value)
    assert str(refusal.value).startswith(f"{__file__}:{function.__code__.co_firstlineno}: ")


def test_a_route_has_one_handler_of_whatever_kind() -> None:
    app = App()

    @app.route("r")
    def one(value: int) -> None: ...

    def many(values: list[int]) -> None: ...

    with pytest.raises(AppError, match="already has a handler"):
        app.batch_route("r")(many)
    with pytest.raises(AppError, match=r'write @app.batch_route\("NAME"\)'):
        app.batch_route(many)  # type: ignore[arg-type]


def test_a_batch_says_lists_and_seconds() -> None:
    assert Batch(retry=iter([1, 2])) == Batch(retry=[1, 2])
    with pytest.raises(TypeError, match=r"Batch\(dead\) is a list of items or indexes, not str"):
        Batch(dead="all")
    with pytest.raises(TypeError, match=r"Batch\(retry\) is a list of items or indexes, not int"):
        Batch(retry=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="from 0 up"):
        Batch(after_s=-1)


def config(batch: dict[str, object], **more: object):
    return tree_for_tests(
        {
            "app": "a:app",
            "name": "n",
            "kafka": {"bootstrap.servers": "127.0.0.1:1", "group.id": "g"},
            "queues": {"backend": "rabbitmq", "url": "amqp://127.0.0.1"},
            "routes": {"r": {"topics": ["t"], "order": "none", "batch": batch}},
            **more,
        }
    )


def test_a_batch_fits_into_its_ring_and_into_rabbitmqs_patience() -> None:
    assert config({"messages": 7168}).routes["r"].batch.messages == 7168
    with pytest.raises(ConfigError, match="7169 never come together in a ring of 8192"):
        config({"messages": 7169})
    with pytest.raises(ConfigError, match="not below RabbitMQ's consumer_timeout"):
        config({"wait_s": 1770})
    assert config({}, ring={"messages": 64}).routes["r"].batch.messages == 500
