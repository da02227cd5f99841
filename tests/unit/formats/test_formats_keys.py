"""Keys as typed values: one word as text, integers as Kafka's serializers write them, the rest as values."""

import datetime
import uuid
from typing import Any

import msgspec
import pytest

from ringmain import Codec, Pause, formats
from ringmain.errors import AppError, Undecodable
from ringmain.formats import Schema, Sources


class Place(msgspec.Struct):
    shop: str
    till: int


SOME = uuid.UUID(int=7)


@pytest.mark.parametrize(
    ("key_format", "kind", "key", "value"),
    [
        (None, str, "Zoë".encode(), "Zoë"),
        (None, int, b"42", 42),
        (None, int, b"-42", -42),
        (None, int | None, None, None),
        (None, bytes, b"\0\xff", b"\0\xff"),
        (None, uuid.UUID, str(SOME).encode(), SOME),
        (None, datetime.date, b"2024-02-29", datetime.date(2024, 2, 29)),
        (None, Place, b'{"shop":"a","till":1}', Place("a", 1)),
        ("json", int, b"42", 42),
        ("json", str, b'"x"', "x"),
        ("msgpack", Place, msgspec.msgpack.encode(Place("a", 1)), Place("a", 1)),
        ("integer", int, (7).to_bytes(4, "big"), 7),
        ("integer", int, (-7).to_bytes(8, "big", signed=True), -7),
    ],
)
def test_a_key_becomes_the_handlers_type(
    key_format: str | None, kind: Any, key: bytes | None, value: object
) -> None:
    assert formats.key_decoder(key_format, "json", kind)(key) == value


@pytest.mark.parametrize(
    ("key_format", "kind", "key", "said"),
    [
        (None, int, None, "key: the message has no key"),
        (None, int, b"four", "key: expected a whole number"),
        (None, int, b" 4_2", "key: expected a whole number"),
        (None, str, b"\xff", "key: .*utf-8"),
        (None, Place, b'{"shop":"a","till":"x"}', r"key: .*\$\.till"),
        ("integer", int, b"42", "key: expected 4 or 8 bytes"),
    ],
)
def test_what_does_not_fit_is_said_of_the_key(
    key_format: str | None, kind: Any, key: bytes | None, said: str
) -> None:
    with pytest.raises(Undecodable, match=said):
        formats.key_decoder(key_format, "json", kind)(key)


def test_the_routes_own_schema_is_not_that_of_its_keys() -> None:
    pytest.importorskip("jsonschema_rs")

    class Known:
        def by_id(self, schema_id: int, shape: str = "") -> Schema:
            return Schema(schema_id, "JSON", '{"required":["shop"]}')

        def register(self, subject: str, kind: str, text: str) -> int:
            raise NotImplementedError

    sources = Sources(schema='{"required":["amount"]}', schemas=Known())
    decode = formats.key_decoder("json-schema", "json", Place, sources)
    assert decode(b"\0\0\0\0\1" + b'{"shop":"a","till":1}') == Place("a", 1)
    with pytest.raises(AppError, match="needs the file of its schema"):
        formats.key_decoder("json-schema", "json", Place, Sources(schema=sources.schema))


def test_a_format_that_never_gives_such_a_key_is_refused() -> None:
    with pytest.raises(AppError, match='"integer" gives an int'):
        formats.key_decoder("integer", "json", str)
    with pytest.raises(AppError, match="is no format"):
        formats.key_decoder("jsno", "json", str)


def test_a_key_whose_registry_is_away_waits() -> None:
    def away(key: bytes, kind: Any) -> object:
        raise Pause(5, "the registry is away")

    sources = Sources({"theirs": Codec(away, bytes)})
    with pytest.raises(Pause, match="the registry is away"):
        formats.key_decoder("theirs", "json", Place, sources)(b"x")
