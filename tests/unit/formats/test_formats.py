"""Decoders: made from a format and a type, exact about what is wrong."""

import msgspec
import pytest

from ringmain import formats
from ringmain.errors import AppError


class Item(msgspec.Struct):
    amount: float


class Order(msgspec.Struct):
    items: list[Item]


@pytest.mark.parametrize(
    ("name", "encode"), [("json", msgspec.json.encode), ("msgpack", msgspec.msgpack.encode)]
)
def test_a_value_is_decoded_and_a_bad_field_is_named_by_its_path(name: str, encode: object) -> None:
    assert callable(encode)
    decode = formats.decoder(name, Order)
    assert decode is not None
    assert decode(encode({"items": [{"amount": 1.5}]})) == Order([Item(1.5)])
    with pytest.raises(msgspec.ValidationError, match=r"\$\.items\[1\]\.amount"):
        decode(encode({"items": [{"amount": 1}, {"amount": "a lot"}]}))


@pytest.mark.parametrize("name", ["json", "raw"])
def test_bytes_are_not_decoded(name: str) -> None:
    assert formats.decoder(name, bytes) is None


def test_raw_has_nothing_but_bytes() -> None:
    with pytest.raises(AppError, match="annotate bytes"):
        formats.decoder("raw", dict)


@pytest.mark.parametrize("name", ["protobuf", "avro", "json-schema"])
def test_formats_that_are_not_there_are_refused_by_name(name: str) -> None:
    with pytest.raises(AppError, match=f"'{name}' cannot be decoded by this version"):
        formats.decoder(name, dict)
