"""What a handler is given: values in formats of its author's own, keys, and what came compressed."""

import gzip
import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ringmain import App, Codec, Message, Skip
from ringmain.errors import AppError
from ringmain.formats import fitting
from ringmain.testing import Harness
from support import order_formats as orders

Send = Callable[..., Any]
COMPRESSED = {"content-encoding": "gzip"}


class Order(msgspec.Struct):
    id: int


@pytest.fixture
def given() -> Iterator[Callable[..., Harness]]:
    """Make a harness of a handler and its route's settings."""
    made: list[Harness] = []

    def make(handler: Callable[..., object], app: App | None = None, **route: Any) -> Harness:
        app = app or App()
        app.route("orders")(handler)
        made.append(Harness(app, {"routes": {"orders": route}}))
        return made[-1]

    yield make
    for one in made:
        with closing(one):
            pass


def csv() -> Codec:
    def decode(value: bytes, kind: type) -> object:
        return kind(*map(int, value.split(b",")))

    return Codec(decode, lambda order: b"%d" % order.id)


def test_a_codec_of_the_apps_own_decodes_into_the_handlers_type(given: Callable[..., Harness]) -> None:
    app, seen = App(), list[Order]()
    app.codec("csv", csv())

    def handle(order: Order) -> None:
        seen.append(order)

    harness = given(handle, app, format="csv")
    assert harness.send("orders", b"7").outcome is None
    assert seen == [Order(7)]
    dead = harness.send("orders", b"seven").dead
    assert dead.error_class == "ValueError"
    assert "seven" in dead.error_message
    assert seen == [Order(7)]


def test_a_codec_decodes_into_what_nothing_else_does(given: Callable[..., Harness]) -> None:
    class Foreign:
        def __init__(self, number: int) -> None:
            self.number = number

    app, seen = App(), list[int]()
    app.codec("csv", csv())

    def handle(order: Foreign) -> None:
        seen.append(order.number)

    given(handle, app, format="csv").send("orders", b"7")
    assert seen == [7]


def test_a_key_is_given_as_what_the_handler_says(given: Callable[..., Harness]) -> None:
    seen: list[object] = []

    def handle(order: Order | None, *, key: int) -> None:
        seen.append((order, key))

    harness = given(handle)
    harness.send("orders", {"id": 1}, key="42")
    harness.send("orders", None, key="43")
    assert seen == [(Order(1), 42), (None, 43)]
    result = harness.send("orders", {"id": 1}, key="many")
    assert "key: expected a whole number" in result.dead.error_message
    assert result.dead.error_class.endswith("Undecodable")
    assert len(seen) == 2


def test_a_key_stands_beside_the_message_and_within_middlewares(given: Callable[..., Harness]) -> None:
    app, seen = App(), list[object]()

    @app.middleware
    def around(call: Callable[[], object], message: Message) -> object:
        seen.append(message.key)
        return call()

    def handle(order: Order, message: Message, *, key: str) -> None:
        seen.append((order, message.key, key))

    given(handle, app).send("orders", {"id": 1}, key="k")
    assert seen == [b"k", (Order(1), b"k", "k")]


def test_a_key_stands_beside_the_message_alone(given: Callable[..., Harness]) -> None:
    seen: list[object] = []

    def handle(message: Message, *, key: int | None) -> None:
        seen.append((message.value, key))

    harness = given(handle, key_format="integer")
    harness.send("orders", b"x", key=b"\0\0\0\7")
    harness.send("orders", b"x")
    assert seen == [(b"x", 7), (b"x", None)]


def test_a_key_is_given_to_an_async_handler(given: Callable[..., Harness]) -> None:
    seen: list[object] = []

    async def handle(order: Order, *, key: int) -> None:
        seen.append(key)

    harness = given(handle)
    assert harness.send("orders", {"id": 1}, key="42").outcome is None
    assert harness.send("orders", {"id": 1}, key="x").dead is not None
    assert seen == [42]


def test_a_bad_key_is_skipped_where_bad_values_are(given: Callable[..., Harness]) -> None:
    def handle(order: Order, *, key: int) -> None: ...

    assert isinstance(given(handle, on_bad="skip").send("orders", {"id": 1}, key="x").outcome, Skip)


def test_a_compressed_value_is_inflated_before_it_is_decoded(given: Callable[..., Harness]) -> None:
    seen: list[object] = []

    def handle(order: Order, message: Message) -> None:
        seen.append((order, message.value[:2]))

    harness = given(handle, compressed=True)
    harness.send("orders", gzip.compress(b'{"id":1}'), headers=COMPRESSED)
    harness.send("orders", b'{"id":2}')
    assert seen == [(Order(1), b"\x1f\x8b"), (Order(2), b'{"')]
    result = harness.send("orders", gzip.compress(b'{"id":"x"}'), headers=COMPRESSED)
    assert "$.id" in result.dead.error_message
    assert "not gzip" in harness.send("orders", b'{"id":2}', headers=COMPRESSED).dead.error_message
    assert len(seen) == 2


def test_a_handler_of_bytes_gets_them_inflated(given: Callable[..., Harness]) -> None:
    seen: list[object] = []

    async def handle(value: bytes | None) -> None:
        seen.append(value)

    harness = given(handle, compressed=True)
    harness.send("orders", gzip.compress(b"x"), headers=COMPRESSED)
    harness.send("orders", None, headers=COMPRESSED)
    assert seen == [b"x", None]


def test_a_schema_is_read_from_its_file(given: Callable[..., Harness], tmp_path: Path) -> None:
    pytest.importorskip("jsonschema_rs")
    path = tmp_path / "order.json"
    path.write_text(orders.JSON)

    def handle(order: orders.Order) -> None: ...

    harness = given(handle, format="json-schema", schema=str(path))
    assert harness.send("orders", json.dumps(orders.PLAIN).encode()).outcome is None
    assert "$: " in harness.send("orders", b"{}").dead.error_message
    with pytest.raises(AppError, match="cannot be read"):
        given(handle, format="json-schema", schema=str(tmp_path / "absent"))


def test_a_bare_protobuf_value_that_is_broken_is_dead_with_its_field(given: Callable[..., Harness]) -> None:
    pytest.importorskip("google.protobuf")
    kind, seen = orders.proto_class(), list[object]()

    def handle(order: object) -> None:
        seen.append(order)

    handle.__annotations__["order"] = kind
    harness = given(handle, format="protobuf")
    data = orders.proto_order().SerializeToString()
    harness.send("orders", data)
    assert seen == [orders.proto_order()]
    assert "$.items[0]" in harness.send("orders", data[:-4]).dead.error_message


def foreign(order: Path) -> None: ...
def foreign_inside(order: list[Path]) -> None: ...
def plain(order: Order) -> None: ...
def keyed(order: Order, *, key: Path) -> None: ...
def placed(order: Order, *, key: Order) -> None: ...


@pytest.mark.parametrize(
    ("handler", "route", "said"),
    [
        (foreign, {}, "nothing decodes into Path"),
        (foreign_inside, {}, "nothing decodes into Path"),
        (keyed, {}, "its key: nothing decodes into Path"),
        (plain, {"format": "jsn"}, r"routes\.orders\.format: 'jsn' is no format.*did you mean 'json'"),
        (plain, {"format": "protobuf"}, "of a class that protoc made"),
        (plain, {"format": "avro"}, "needs the file of its schema"),
        (placed, {"format": "avro"}, r"its key: keys are read as avro by a \[schema_registry\]"),
        (plain, {"format": "avro", "schema": "/nowhere.avsc"}, r"routes\.orders\.schema: .*nowhere\.avsc"),
        (plain, {"format": "avro", "schema": __file__}, r"routes\.orders\.schema: the schema is not avro"),
        (plain, {"format": "json-schema", "schema": __file__}, r"routes\.orders\.schema: .* no JSON Schema"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_message(
    given: Callable[..., Harness], handler: Callable[..., object], route: dict[str, Any], said: str
) -> None:
    with pytest.raises(AppError, match=said) as refused:
        given(handler, **route)
    assert "format" in route or f"{__file__}:{handler.__code__.co_firstlineno}" in str(refused.value)


@pytest.mark.parametrize(
    ("producer", "said"),
    [
        ({"format": "jsn"}, r"format: 'jsn' is no format.*did you mean 'json'"),
        ({"format": "avro"}, r"schema: avro needs the file of its schema"),
        ({"format": "avro", "schema": "/nowhere.avsc"}, r"schema: .*nowhere\.avsc cannot be"),
        ({"format": "avro", "schema": __file__}, r"schema: the schema is not avro"),
    ],
)
def test_what_a_producer_cannot_encode_is_refused_before_any_message(
    given: Callable[..., Harness], producer: dict[str, Any], said: str
) -> None:
    pytest.importorskip("fastavro")
    app = App()
    app.route("bills")(plain)
    app.producer("bills")
    trees = {"producers.bills": {"producers": {"bills": producer}}}
    trees["routes.bills.producer"] = {"routes": {"bills": {"producer": producer}}}
    for path, tree in trees.items():
        with pytest.raises(AppError, match=rf"^{re.escape(path)}\.{said}") as refused:
            Harness(app, tree)
        assert len(str(refused.value).splitlines()) == 1


def test_a_library_that_is_not_there_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "find_spec", lambda name: None)
    app = App()
    app.route("orders")(plain)
    app.producer("bills")
    route = {"format": "protobuf", "key_format": "avro"}
    with pytest.raises(AppError) as refused:
        Harness(app, {"routes": {"orders": route}, "producers": {"bills": {"format": "json-schema"}}})
    for path, name in (
        ("routes.orders.format", "protobuf"),
        ("routes.orders.key_format", "avro"),
        ("producers.bills.format", "json-schema"),
    ):
        said = f"{path}: {name} is read with {fitting.LIBRARIES[name]}, which is not there: "
        assert f"{said}pip install 'ringmain[{name}]'" in str(refused.value)


def test_a_key_needs_an_annotation_and_a_codec_a_name_of_its_own() -> None:
    def handle(order: Order, *, key) -> None: ...  # type: ignore[no-untyped-def]

    app = App()
    with pytest.raises(AppError, match="no annotation on 'key'"):
        app.route("orders")(handle)
    with pytest.raises(AppError, match="there is a format 'json' already"):
        app.codec("json", csv())
    with pytest.raises(AppError, match=r"ringmain\.Codec\(decode, encode\)"):
        app.codec("csv", csv)  # type: ignore[arg-type]
