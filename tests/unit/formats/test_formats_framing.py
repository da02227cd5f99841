"""Values behind heads: each is read by what its own head says, whatever was read just before."""

import datetime
import decimal
import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringmain import formats
from ringmain._fastpath import ByteStream, HeadReader
from ringmain.errors import Undecodable
from ringmain.formats import Schema, Sources
from ringmain.outcome import Pause
from support import order_formats as orders
from support.registry_server import framed, in_base64

Decode = Callable[[Any], object]


class Registry:
    """Schemas by their ids, and how often each was asked for."""

    def __init__(self, **schemas: tuple[str, str]) -> None:
        self.schemas = {int(name[1:]): schema for name, schema in schemas.items()}
        self.asked: list[int] = []
        self.is_away = False

    def by_id(self, schema_id: int, shape: str = "") -> Schema:
        self.asked.append(schema_id)
        if self.is_away:
            raise Pause(1, "the registry is away")
        if schema_id not in self.schemas:
            raise Undecodable(f"$: there is no schema {schema_id}")
        return Schema(schema_id, *self.schemas[schema_id])

    def register(self, subject: str, kind: str, text: str) -> int:
        raise NotImplementedError


def decoder(name: str, kind: Any, registry: Registry) -> Decode:
    found = formats.decoder(name, kind, Sources(schemas=registry))
    assert found is not None
    return found


class Protobuf:
    """A decoder of orders that has read one already; shop.Order is message 1 of schema 1, 0 of schema 2."""

    def __init__(self) -> None:
        pytest.importorskip("google.protobuf")
        from google.protobuf import descriptor_pb2

        file = orders.proto_file()
        swapped = descriptor_pb2.FileDescriptorProto()
        swapped.CopyFrom(file)
        swapped.ClearField("message_type")
        swapped.message_type.extend(reversed(file.message_type))
        first, second = (in_base64(one.SerializeToString()) for one in (file, swapped))
        self.registry = Registry(_1=("PROTOBUF", first), _2=("PROTOBUF", second), _3=("AVRO", orders.AVRO))
        self.order = orders.proto_order()
        self.data = self.order.SerializeToString()
        self.decode = decoder("protobuf", orders.proto_class(), self.registry)
        assert self.decode(framed(2, b"\0" + self.data)) == self.order


@pytest.fixture
def protobuf() -> Protobuf:
    return Protobuf()


@pytest.mark.parametrize("size", range(5))
def test_a_value_shorter_than_the_head_before_it_is_said_to_have_none(protobuf: Protobuf, size: int) -> None:
    with pytest.raises(Undecodable, match="does not begin with a zero and a schema's id"):
        protobuf.decode(framed(2, b"")[:size])


def test_a_value_that_ends_where_its_message_is_to_be_said_is_named(protobuf: Protobuf) -> None:
    # Behind the last byte of bytes is a zero of Python's own, just as the head before has.
    with pytest.raises(Undecodable, match="ends before its message begins"):
        protobuf.decode(framed(2, b""))


def test_an_empty_message_is_nothing_behind_the_head(protobuf: Protobuf) -> None:
    assert protobuf.decode(framed(2, b"\0")) == orders.proto_class()()


def test_the_next_value_may_say_another_schema_at_once(protobuf: Protobuf) -> None:
    with pytest.raises(Undecodable, match=r"schema 1 says shop\.Other, and the handler takes shop\.Order"):
        protobuf.decode(framed(1, b"\0" + protobuf.data))
    with pytest.raises(Undecodable, match="schema 3 is of type AVRO"):
        protobuf.decode(framed(3, b"\0" + protobuf.data))
    with pytest.raises(Undecodable, match="there is no schema 4"):
        protobuf.decode(framed(4, b"\0" + protobuf.data))
    with pytest.raises(Undecodable, match="was it written without the registry"):
        protobuf.decode(protobuf.data)
    assert protobuf.decode(framed(2, b"\0" + protobuf.data)) == protobuf.order


def test_the_next_value_may_say_another_message_of_the_same_schema(protobuf: Protobuf) -> None:
    with pytest.raises(Undecodable, match=r"schema 2 says shop\.Other, and the handler takes shop\.Order"):
        protobuf.decode(framed(2, b"\x02\x02" + protobuf.data))
    with pytest.raises(Undecodable, match=r"schema 2 says shop\.Order\.Item"):
        protobuf.decode(framed(2, b"\x04\0\0" + protobuf.data))
    with pytest.raises(Undecodable, match=r"schema 2 has no message at \[7\]"):
        protobuf.decode(framed(2, b"\x02\x0e" + protobuf.data))
    for way in (b"\0", b"\x02\0", b"\x02\x80\0"):  # short, in full, longer than it need be
        assert protobuf.decode(framed(2, way + protobuf.data)) == protobuf.order
    assert protobuf.registry.asked == [2]


def test_two_schemas_may_alternate(protobuf: Protobuf) -> None:
    for _ in range(3):
        assert protobuf.decode(framed(1, b"\x02\x02" + protobuf.data)) == protobuf.order
        assert protobuf.decode(framed(2, b"\0" + protobuf.data)) == protobuf.order
    assert protobuf.registry.asked == [2, 1]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_value_may_be_in_anything_that_has_bytes(protobuf: Protobuf, kind: Any) -> None:
    assert protobuf.decode(kind(framed(1, b"\x02\x02" + protobuf.data))) == protobuf.order
    assert protobuf.decode(kind(framed(2, b"\0" + protobuf.data))) == protobuf.order


@pytest.mark.parametrize("value", [None, 7, "text"])
def test_what_has_no_bytes_is_no_value(protobuf: Protobuf, value: Any) -> None:
    with pytest.raises(TypeError, match="bytes-like"):
        protobuf.decode(value)


def test_a_bad_field_is_named_among_good_values(protobuf: Protobuf) -> None:
    for _ in range(2):
        with pytest.raises(Undecodable, match=r"^\$\.id: a number is cut off"):
            protobuf.decode(framed(2, b"\0\x08\xff"))
        assert protobuf.decode(framed(2, b"\0" + protobuf.data)) == protobuf.order


def test_a_head_is_not_known_before_its_schema_is(protobuf: Protobuf) -> None:
    protobuf.registry.is_away = True
    for _ in range(2):
        with pytest.raises(Pause, match="away"):
            protobuf.decode(framed(1, b"\x02\x02" + protobuf.data))
        assert protobuf.decode(framed(2, b"\0" + protobuf.data)) == protobuf.order
    protobuf.registry.is_away = False
    assert protobuf.decode(framed(1, b"\x02\x02" + protobuf.data)) == protobuf.order


def test_each_value_of_json_is_judged_by_the_schema_of_its_own_head() -> None:
    pytest.importorskip("jsonschema_rs")
    texts = [json.dumps({"properties": {"id": {"minimum": least}}}) for least in (0, 10)]
    decode = decoder("json-schema", dict, Registry(_1=("JSON", texts[0]), _2=("JSON", texts[1])))
    for _ in range(2):
        assert decode(framed(1, b'{"id":7}')) == {"id": 7}
        with pytest.raises(Undecodable, match=r"\$\.id: 7 is less than the minimum of 10"):
            decode(framed(2, b'{"id":7}'))
    assert decode(memoryview(framed(2, b'{"id":17}'))) == {"id": 17}


# -- heads ---------------------------------------------------------------------------------------------------


class Words:
    """Heads that are a letter and a colon; behind each is a number."""

    def __init__(self) -> None:
        self.found: list[bytes] = []

    def find(self, value: bytes) -> tuple[int, Callable[[bytes], object]]:
        self.found.append(value)
        word = value[:1].decode()
        return 2, lambda behind: (word, int(behind))


def test_more_heads_than_are_remembered_are_found_again() -> None:
    words, letters = Words(), "abcdefghijklmnopqrstuvwxyz"
    decode = HeadReader(words.find).decode
    for _ in range(3):
        for number, letter in enumerate(letters):
            assert decode(f"{letter}:{number}".encode()) == (letter, number)
            assert decode(f"{letter}:{number + 1}".encode()) == (letter, number + 1)
    assert len(words.found) == 3 * len(letters)
    for _ in range(3):
        for letter in "stuvwxyz":
            assert decode(f"{letter}:1".encode()) == (letter, 1)
    assert len(words.found) == 3 * len(letters), "the last eight are remembered"


def test_what_cannot_be_read_may_be_refused_with_something_better() -> None:
    refused: list[tuple[bytes, str]] = []

    def refuse(behind: bytes, error: Exception) -> None:
        refused.append((behind, type(error).__name__))
        if behind == b"x":
            raise Undecodable("better")

    decode = HeadReader(Words().find, refuse).decode
    with pytest.raises(Undecodable, match="better"):
        decode(b"a:x")
    with pytest.raises(ValueError, match="invalid literal"):
        decode(b"a:y")
    assert refused == [(b"x", "ValueError"), (b"y", "ValueError")]
    with pytest.raises(ValueError, match="invalid literal"):
        HeadReader(Words().find).decode(b"a:y")


@pytest.mark.parametrize("size", [-1, 4])
def test_a_head_is_within_its_value(size: int) -> None:
    decode = HeadReader(lambda value: (size, bytes)).decode
    with pytest.raises(ValueError, match=f"a head of {size} bytes in a value of 3"):
        decode(b"abc")
    assert HeadReader(lambda value: (3, bytes)).decode(b"abc") == b""


# -- the stream that avro is read from -----------------------------------------------------------------------


@given(data=st.binary(max_size=40), sizes=st.lists(st.integers(-2, 50)))
def test_a_stream_of_bytes_reads_as_pythons_own(data: bytes, sizes: list[int]) -> None:
    ours, pythons = ByteStream(data), BytesIO(data)
    for size in sizes:
        assert ours.read(size) == pythons.read(size)
        assert ours.left == len(data) - pythons.tell()
    huge = 2**63 - 1
    assert ours.read(huge) == pythons.read(huge)
    assert ours.left == 0


EVERYTHING = {
    "type": "record",
    "name": "Everything",
    "fields": [
        {"name": name, "type": kind}
        for name, kind in {
            "nothing": "null",
            "flag": "boolean",
            "number": "int",
            "ratio": "float",
            "exact": "double",
            "blob": "bytes",
            "text": "string",
            "four": {"type": "fixed", "name": "Four", "size": 4},
            "colour": {"type": "enum", "name": "Colour", "symbols": ["RED", "BLUE"]},
            "many": {"type": "array", "items": ["null", "string"]},
            "named": {"type": "map", "values": "long"},
            "price": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
            "day": {"type": "int", "logicalType": "date"},
            "id": "long",
        }.items()
    ],
}
FULL: dict[str, Any] = {
    "nothing": None, "flag": True, "number": -3, "ratio": 0.5, "exact": 2.25, "blob": b"\0\xff",
    "text": "grün", "four": b"four", "colour": "BLUE", "many": ["a", None], "named": {"x": 2**40},
    "price": decimal.Decimal("12.50"), "day": datetime.date(2024, 2, 29), "id": 7,
}  # fmt: skip


@pytest.mark.parametrize("kept", [[], ["id"], ["many", "id"]])
def test_avro_is_read_and_skipped_in_every_type(kept: list[str]) -> None:
    pytest.importorskip("fastavro")
    text = json.dumps(EVERYTHING)
    value = framed(1, orders.avro_bytes(FULL, text))
    fields: list[Any] = EVERYTHING["fields"]  # type: ignore[assignment]
    own = EVERYTHING | {"fields": [one for one in fields if one["name"] in kept]} if kept else None
    sources = Sources(schema=json.dumps(own) if own else "", schemas=Registry(_1=("AVRO", text)))
    decode = formats.decoder("avro", dict, sources)
    assert decode is not None
    expected = {name: FULL[name] for name in kept} if kept else FULL
    assert decode(value) == expected
    assert decode(memoryview(value)) == expected  # type: ignore[arg-type]
    for size in range(5, len(value)):
        with pytest.raises(Undecodable, match=r"^\$"):
            decode(value[:size])
    with pytest.raises(Undecodable, match="bytes are left behind the value"):
        decode(value + b"\0")
