"""Avro: bare with the route's own schema, framed with a registry's, and exact about what is wrong."""

import json
from typing import Any

import pytest

from ringmain import formats
from ringmain.errors import AppError, Undecodable
from ringmain.formats import Schema, Sources
from ringmain.outcome import Pause
from support import order_formats as orders
from support.registry_server import framed

pytest.importorskip("fastavro")
BARE = Sources(schema=orders.AVRO)


class Known:
    """A registry of a test's own: schemas by their ids, and how often each was asked for."""

    def __init__(self, **texts: str) -> None:
        self.texts, self.asked = {int(name[1:]): text for name, text in texts.items()}, list[int]()
        self.references: tuple[tuple[str, str], ...] = ()
        self.registered: list[tuple[str, str]] = []

    def by_id(self, schema_id: int, shape: str = "") -> Schema:
        self.asked.append(schema_id)
        return Schema(schema_id, "AVRO", self.texts[schema_id], self.references)

    def register(self, subject: str, kind: str, text: str) -> int:
        self.registered.append((subject, kind))
        return 3


def decode(value: bytes, kind: Any = orders.Order, sources: Sources = BARE) -> object:
    found = formats.decoder("avro", kind, sources)
    assert found is not None
    return found(value)


def changed(**field: Any) -> str:
    """The order's schema with one more field."""
    schema = json.loads(orders.AVRO)
    schema["fields"].append(field)
    return json.dumps(schema)


def test_a_bare_value_is_read_by_the_routes_own_schema() -> None:
    value = orders.avro_bytes(orders.PLAIN)
    assert decode(value) == orders.ORDER
    assert decode(value, dict) == orders.PLAIN
    assert decode(value, dict[str, Any] | None) == orders.PLAIN


def test_a_framed_value_is_read_by_its_writers_schema_which_is_asked_for_once() -> None:
    known = Known(_1=orders.AVRO, _2=changed(name="paid", type="boolean"))
    sources = Sources(schemas=known)
    found = formats.decoder("avro", dict, sources)
    assert found is not None
    first, second = orders.PLAIN, orders.PLAIN | {"paid": True}
    for _ in range(3):
        assert found(framed(1, orders.avro_bytes(first))) == first
        assert found(framed(2, orders.avro_bytes(second, known.texts[2]))) == second
    assert known.asked == [1, 2]


def test_the_routes_own_schema_is_the_readers() -> None:
    known = Known(_1=orders.AVRO)
    newer = changed(name="currency", type="string", default="EUR")
    value = framed(1, orders.avro_bytes(orders.PLAIN))
    assert decode(value, dict, Sources(schema=newer, schemas=known)) == orders.PLAIN | {"currency": "EUR"}


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ({"name": "currency", "type": "string"}, r"\$\.currency: .* no default"),
        ({"name": "customer", "type": "long"}, r"\$\.customer: .* written as string, and is read as long"),
    ],
)
def test_a_schema_that_does_not_go_with_the_writers_is_named_by_its_field(field: Any, said: str) -> None:
    schema = json.loads(orders.AVRO)
    schema["fields"] = [one for one in schema["fields"] if one["name"] != field["name"]] + [field]
    sources = Sources(schema=json.dumps(schema), schemas=Known(_1=orders.AVRO))
    with pytest.raises(Undecodable, match=said):
        decode(framed(1, orders.avro_bytes(orders.PLAIN)), dict, sources)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (orders.avro_bytes(orders.PLAIN)[:-3], r"\$\.items\[0\]\.amount: the value ends in the middle"),
        (b"\x0e\x04\xff\xff\x00", r"\$\.customer: .*utf-8"),
        (orders.avro_bytes(orders.PLAIN) + b"x", "bytes are left behind"),
        (b"", r"\$\.id: the value ends in the middle"),
    ],
)
def test_the_bad_field_is_named_by_its_path(value: bytes, said: str) -> None:
    with pytest.raises(Undecodable, match=said):
        decode(value)


def test_what_the_handlers_type_does_not_take_is_named_by_its_path() -> None:
    schema = orders.AVRO.replace('"double"', '"string"')
    value = orders.avro_bytes(
        {"id": 7, "customer": "ada", "items": [{"name": "tea", "amount": "a lot"}]}, schema
    )
    with pytest.raises(Exception, match=r"\$\.items\[0\]\.amount"):
        decode(value, orders.Order, Sources(schema=schema))


def test_a_union_that_has_no_such_branch_is_named() -> None:
    schema = changed(name="note", type=["null", "string"], default=None)
    value = orders.avro_bytes(orders.PLAIN | {"note": "x"}, schema)
    broken = value.replace(b"\x02\x02x", b"\x0e\x02x")
    with pytest.raises(Undecodable, match=r"\$\.note: .* no branch 7"):
        decode(broken, dict, Sources(schema=schema))


def test_what_was_written_without_the_registry_is_said_to_be() -> None:
    with pytest.raises(Undecodable, match="was it written without the registry"):
        decode(orders.avro_bytes(orders.PLAIN), dict, Sources(schemas=Known()))


def test_a_schema_of_the_registrys_that_is_none_lets_its_messages_wait() -> None:
    known = Known(_1=orders.AVRO, _2="{nonsense")
    found = formats.decoder("avro", dict, Sources(schemas=known))
    assert found is not None
    with pytest.raises(Pause, match="schema 2, which is no AVRO"):
        found(framed(2, b"x"))
    known.texts[2] = orders.AVRO
    assert found(framed(2, orders.avro_bytes(orders.PLAIN))) == orders.PLAIN


def test_a_schema_may_refer_to_others() -> None:
    item = '{"type":"record","name":"shop.Item","fields":[{"name":"name","type":"string"}]}'
    text = '{"type":"record","name":"shop.Cart","fields":[{"name":"first","type":"shop.Item"}]}'
    known = Known(_1=text)
    known.references = (("shop.Item", item),)
    assert decode(framed(1, b"\x06tea"), dict, Sources(schemas=known)) == {"first": {"name": "tea"}}


def test_without_any_schema_it_is_said_what_is_needed() -> None:
    with pytest.raises(AppError, match=r"needs the file of its schema"):
        formats.decoder("avro", dict)
    with pytest.raises(AppError, match="the schema is not avro"):
        formats.decoder("avro", dict, Sources(schema="{}"))


def test_what_a_producer_encodes_is_decoded_again() -> None:
    bare = formats.encoder("avro", BARE)(orders.ORDER, "orders")
    assert decode(bare) == orders.ORDER
    known = Known(_3=orders.AVRO)
    sources = Sources(schema=orders.AVRO, schemas=known)
    encode = formats.encoder("avro", sources)
    for _ in range(2):
        assert decode(encode(orders.PLAIN, "orders"), orders.Order, sources) == orders.ORDER
    assert known.registered == [("orders-value", "AVRO")]
