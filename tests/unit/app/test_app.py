"""Registering: what a signature says, and what is refused with its place."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, NewType

import msgspec
import pytest

from ringmain.app import App
from ringmain.config.schema import Batch
from ringmain.errors import AppError
from ringmain.loading import load_app
from ringmain.message import Message
from ringmain.signature import WANTS_MESSAGE, WANTS_ONLY_MESSAGE, WANTS_RAW, WANTS_VALUE


class Order(msgspec.Struct):
    id: int


@dataclasses.dataclass
class Plain:
    id: int


def value(order: Order): ...
def optional(order: Order | None, message: Message): ...
def raw(data: bytes): ...
def optional_raw(data: bytes | None): ...
def only_message(message: Message): ...
def plain(order: Plain, retries: int = 3): ...
async def later(order: dict): ...


Payload = NewType("Payload", bytes)
Noted = Annotated[Message, "as it came"]


def named_raw(data: Payload): ...
def noted_raw(data: Annotated[bytes | None, "compressed"]): ...
def noted_value(order: Annotated[Order | None, "a tombstone too"], message: Noted): ...
def noted_message(message: Noted): ...


@pytest.mark.parametrize(
    ("function", "wants", "accepts_none", "is_async"),
    [
        (value, WANTS_VALUE, False, False),
        (optional, WANTS_VALUE | WANTS_MESSAGE, True, False),
        (raw, WANTS_RAW, False, False),
        (optional_raw, WANTS_RAW, True, False),
        (only_message, WANTS_ONLY_MESSAGE, True, False),
        (plain, WANTS_VALUE, False, False),
        (later, WANTS_VALUE, False, True),
        (named_raw, WANTS_RAW, False, False),
        (noted_raw, WANTS_RAW, True, False),
        (noted_value, WANTS_VALUE | WANTS_MESSAGE, True, False),
        (noted_message, WANTS_ONLY_MESSAGE, True, False),
    ],
)
def test_a_signature_says_how_a_handler_is_called(
    function: Any, wants: int, accepts_none: bool, is_async: bool
) -> None:
    app = App()
    assert app.route("orders")(function) is function
    spec = app.handler_of("orders")
    assert (spec.wants, spec.accepts_none, spec.is_async) == (wants, accepts_none, is_async)
    assert spec.place == f"{__file__}:{function.__code__.co_firstlineno}"


def nothing(): ...
def unannotated(order): ...
def unknown_second(order: Order, database): ...
def third(order: Order, message: Message, database): ...
def twice(message: Message, again: Message): ...
def keyword_only(*, order: Order): ...
def generator(order: Order):
    yield


def unlike(first: Message, second: Message, third: Message): ...


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (nothing, "it takes"),
        (unannotated, "no annotation on 'order'"),
        (unknown_second, "'database' annotated Message"),
        (third, "it takes"),
        (twice, "twice"),
        (keyword_only, "it takes"),
        (generator, "remove its yield"),
        (unlike, r"is \(first: Message, second: Message, third: Message\); it takes"),
    ],
)
def test_a_signature_that_cannot_be_called_is_refused_with_its_place(function: Any, said: str) -> None:
    with pytest.raises(AppError, match=said) as refused:
        App().route("orders")(function)
    assert f"{__file__}:{function.__code__.co_firstlineno}" in str(refused.value)


def test_one_route_has_one_handler() -> None:
    app = App()
    app.route("orders")(value)
    with pytest.raises(AppError, match="already has a handler, at"):
        app.route("orders")(raw)


def test_what_surrounds_a_call_is_checked_when_it_is_registered() -> None:
    with pytest.raises(AppError, match="m\\(call, message\\)"):
        App().middleware(lambda call: None)
    with pytest.raises(AppError, match="'needed' needs a default"):
        App().on_start(lambda needed: None)
    with pytest.raises(AppError, match="KeyError in both"):
        App().route("orders", dead_on=KeyError, skip_on=(KeyError,))
    with pytest.raises(AppError, match="exception classes"):
        App().route("orders", dead_on=("KeyError",))  # type: ignore[arg-type]


def config(**routes: Any) -> Any:
    plain = {
        "concurrency": None, "format": "json", "through": None, "channels": {}, "batch": Batch(),
        "transactional": False,
    }  # fmt: skip
    return SimpleNamespace(routes={name: SimpleNamespace(**plain | given) for name, given in routes.items()})


def channel(concurrency: int | None = None) -> Any:
    return SimpleNamespace(concurrency=concurrency)


def test_the_app_and_the_config_name_the_same_routes() -> None:
    app = App()
    app.route("orders")(value)
    app.check(config(orders={}))
    with pytest.raises(AppError) as refused:
        app.check(config(other={}))
    assert "route 'other' is in the config but has no handler" in str(refused.value)
    assert "route 'orders' is not in the config; add [routes.orders]" in str(refused.value)
    with pytest.raises(AppError, match="route 'orders' is not in the config; did you mean 'order'"):
        app.check(config(order={}))


def test_a_table_of_batches_without_a_batch_route_is_named_with_the_remedy() -> None:
    app = App()

    @app.route("orders")
    def handle(orders: list[dict[str, int]]) -> None: ...

    app.check(config(orders={}))
    with pytest.raises(
        AppError, match=r"\[routes.orders.batch\] is for a batch route; write @app.batch_route"
    ):
        app.check(config(orders={"batch": Batch(messages=50)}))
    # Of a transactional route it says how much a transaction holds.
    app.check(config(orders={"batch": Batch(messages=50), "transactional": True}))


def test_the_app_and_the_config_name_the_same_channels() -> None:
    app = App()
    app.route("orders")(value)
    assert app.channel("orders", "express")(raw) is raw
    spec = app.handler_of("orders", "express")
    assert (spec.wants, spec.name, spec.channel) == (WANTS_RAW, "orders", "express")
    app.check(config(orders={"channels": {"express": channel()}}))
    with pytest.raises(AppError) as refused:
        app.check(config(orders={"channels": {"expres": channel()}}))
    absent, strange = str(refused.value).splitlines()
    assert absent.startswith(
        "channel 'expres' of route 'orders' is in the config but has no handler; add @app"
    )
    assert strange.endswith(
        "channel 'express' of route 'orders' is not in the config; did you mean 'expres'?"
    )
    with pytest.raises(AppError, match=r"is not in the config; add \[routes.orders.channels.express\]"):
        app.check(config(orders={}))


def test_one_channel_has_one_handler_and_needs_both_names() -> None:
    app = App()
    app.channel("orders", "express")(value)
    app.channel("orders", "slow")(value)
    with pytest.raises(AppError, match="channel 'slow' of route 'orders' already has a handler, at"):
        app.channel("orders", "slow")(raw)
    for given in (("orders",), (value,), ("orders", "")):
        with pytest.raises(AppError, match=r"write @app.channel\("):
            app.channel(*given)
    with pytest.raises(AppError, match=r"'a\.b' is no channel name"):
        app.channel("orders", "a.b")


def test_a_route_that_goes_through_a_channel_needs_no_handler() -> None:
    app = App()
    app.channel("orders", "express")(value)
    through = config(orders={"through": "express", "channels": {"express": channel()}})
    app.check(through)
    assert app.unhandled(through) == ["orders"]
    with pytest.raises(AppError, match="route 'orders' is in the config but has no handler"):
        app.check(config(orders={"channels": {"express": channel()}}))
    with pytest.raises(AppError, match="route 'orders' has no handler in the app"):
        app.handler_of("orders")


def test_what_a_sync_handler_cannot_do_is_refused() -> None:
    async def wrapper(call: Any, message: Any) -> Any:
        return await call()

    app = App()
    app.route("orders")(value)
    with pytest.raises(AppError, match="needs an `async def`"):
        app.check(config(orders={"concurrency": 5}))
    with pytest.raises(AppError, match="annotate the value bytes"):
        app.check(config(orders={"format": "raw"}))
    app.channel("orders", "express")(value)
    with pytest.raises(AppError, match=r"set routes\.orders\.channels\.express\.concurrency = 1"):
        app.check(config(orders={"channels": {"express": channel(5)}}))
    app.middleware(wrapper)
    with pytest.raises(AppError, match="async middleware"):
        app.check(config(orders={}))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import missing_thing", r"one.py:1: ModuleNotFoundError: No module named 'missing_thing'"),
        ("x = 1\n1 / 0", r"one.py:2: ZeroDivisionError"),
        ("raise SystemExit(0)", r"one.py:1: SystemExit"),
        ("x = 1\ndef broken(:", r"one.py:2: SyntaxError"),
        ("", "has no 'app'"),
        ("app = 5", "is of type int, not a ringmain.App"),
    ],
)
def test_an_app_that_cannot_be_imported_says_where(
    source: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"app_{abs(hash(source))}_one"
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.setattr("sys.path", ["."])
    with pytest.raises(AppError, match=said):
        load_app(SimpleNamespace(app=f"{name}:app", folder=str(tmp_path)))


def test_a_module_that_is_not_there_is_told_with_the_folder(tmp_path: Path) -> None:
    with pytest.raises(AppError, match=f"no module 'nowhere_at_all' in {tmp_path}"):
        load_app(SimpleNamespace(app="nowhere_at_all:app", folder=str(tmp_path)))


def test_a_transactional_route_takes_plain_functions_of_one_message() -> None:
    app = App()

    @app.route("orders")
    async def handle(order: dict[str, int]) -> None: ...

    @app.batch_route("bills")
    def load(bills: list[dict[str, int]]) -> None: ...

    transactional = config(orders={"transactional": True}, bills={"transactional": True})
    transactional.producers = {}
    said = app.problems(transactional)
    assert len(said) == 2
    assert "routes.orders.transactional: the handler is `async def`" in said[0]
    assert "routes.bills.transactional: the handler is a batch route" in said[1]
