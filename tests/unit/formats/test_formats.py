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


def test_a_format_that_nobody_knows_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(AppError, match="'jsn' is no format, and no codec of the app; did you mean 'json'"):
        formats.decoder("jsn", dict)
    with pytest.raises(AppError, match="use one of avro, json, json-schema, msgpack, protobuf, raw"):
        formats.encoder("xml")


@pytest.mark.parametrize("name", ["json", "msgpack"])
def test_what_a_producer_encodes_is_decoded_again(name: str) -> None:
    order = Order([Item(1.5)])
    decode = formats.decoder(name, Order)
    assert decode is not None
    assert decode(formats.encoder(name)(order, "orders")) == order


def test_raw_sends_nothing_but_bytes() -> None:
    with pytest.raises(TypeError, match="got a value of type dict"):
        formats.encoder("raw")({}, "orders")
