"""Protobuf: the handler's annotation is the generated class, bare or framed, and the bad field is named."""

from typing import Any

import msgspec
import pytest

from ringmain import formats
from ringmain.errors import AppError, Undecodable
from ringmain.formats import Schema, Sources
from support import order_formats as orders
from support.registry_server import framed, in_base64

pytest.importorskip("google.protobuf")


class Known:
    """A registry with one schema, in the serialized form or as text."""

    def __init__(self, text: str | None = None, kind: str = "PROTOBUF") -> None:
        self.text, self.kind = text or in_base64(orders.proto_file().SerializeToString()), kind
        self.shapes: list[str] = []

    def by_id(self, schema_id: int, shape: str = "") -> Schema:
        self.shapes.append(shape)
        return Schema(schema_id, self.kind, self.text)

    def register(self, subject: str, kind: str, text: str) -> int:
        return 9


NO_SOURCES = formats.Sources()


def decoder(sources: Sources = NO_SOURCES, name: str = "shop.Order") -> Any:
    found = formats.decoder("protobuf", orders.proto_class(name), sources)
    assert found is not None
    return found


def test_a_bare_value_is_read_by_the_class_itself() -> None:
    kind, order = orders.proto_class(), orders.proto_order()
    found = decoder()
    assert found == kind.FromString
    assert found(order.SerializeToString()) == order


def test_a_framed_value_is_of_the_message_that_the_frame_says() -> None:
    known = Known()
    found = decoder(Sources(schemas=known))
    data = orders.proto_order().SerializeToString()
    for _ in range(3):
        assert found(framed(1, b"\x02\x02" + data)) == orders.proto_order()  # one step: number 1
    assert known.shapes == ["serialized"]
    with pytest.raises(Undecodable, match=r"schema 1 says shop\.Other, and the handler takes shop\.Order"):
        found(framed(1, b"\0" + data))
    with pytest.raises(Undecodable, match=r"schema 1 has no message at \[7\]"):
        found(framed(1, b"\x02\x0e" + data))


def test_the_first_message_of_a_schema_is_a_single_zero() -> None:
    found = decoder(Sources(schemas=Known()), "shop.Other")
    other = orders.proto_class("shop.Other")(note="hello")
    assert found(framed(1, b"\0" + other.SerializeToString())) == other


def test_a_message_inside_another_has_a_longer_way() -> None:
    found = decoder(Sources(schemas=Known()), "shop.Order.Item")
    item = orders.proto_class("shop.Order.Item")(name="tea")
    assert found(framed(1, b"\x04\x02\x00" + item.SerializeToString())) == item


def test_a_registry_that_gives_only_text_is_believed() -> None:
    text = 'syntax = "proto3"; package shop; message Order { int64 id = 1; }'
    found = decoder(Sources(schemas=Known(text)))
    assert found(framed(1, b"\0" + orders.proto_order().SerializeToString())) == orders.proto_order()


def test_a_schema_of_another_kind_is_not_read() -> None:
    found = decoder(Sources(schemas=Known("{}", "AVRO")))
    with pytest.raises(Undecodable, match="schema 1 is of type AVRO"):
        found(framed(1, b"\0"))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (orders.proto_order().SerializeToString()[:-4], r"\$\.items\[0\]: it says to be \d+ bytes long"),
        (b"\x08\xff", r"\$\.id: a number is cut off"),
        (b"\x12\x02\xff\xff", r"\$\.customer: a string is not UTF-8"),
        (b"\x1a\x00\x1a\x03\x0a\x05t", r"\$\.items\[1\]\.name: it says to be 5 bytes long, and 1 are left"),
        (b"\x00\x01", r"\$: what should be a field is none"),
        (b"\x0f", r"\$\.id: there is no kind of field with the number 7"),
    ],
)
def test_the_bad_field_is_named_by_its_path(value: bytes, said: str) -> None:
    explain = formats.explainer("protobuf", orders.proto_class())
    assert explain is not None
    with pytest.raises(Exception, match="pars") as refused:
        decoder()(value)
    assert msgspec.json.encode(explain(value, refused.value))
    with pytest.raises(Undecodable, match=said):
        decoder(Sources(schemas=Known()))(framed(1, b"\x02\x02" + value))


def test_a_value_that_ends_within_its_frame_is_named() -> None:
    with pytest.raises(Undecodable, match="ends before its message begins"):
        decoder(Sources(schemas=Known()))(framed(1, b""))


def test_only_generated_classes_are_read_and_sent() -> None:
    with pytest.raises(AppError, match="of a class that protoc made"):
        formats.decoder("protobuf", dict)
    with pytest.raises(TypeError, match="not of type dict"):
        formats.encoder("protobuf")({}, "orders")


def test_what_a_producer_encodes_is_decoded_again() -> None:
    order = orders.proto_order()
    assert decoder()(formats.encoder("protobuf")(order, "orders")) == order
    sources = Sources(schemas=Known())
    sent = formats.encoder("protobuf", sources)(order, "orders")
    assert sent[:7] == b"\0\0\0\0\x09\x02\x02"
    assert decoder(sources)(sent) == order
