"""From a format's name to the functions that decode and encode it.

Plans and producers enter once for each route or producer. The table of the formats is here; how each is read
is in a module of its own, loaded when a route needs it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ringmain.codec import ByValue
from ringmain.errors import AppError
from ringmain.formats import typed
from ringmain.formats.contract import NOTHING, Decode, Encode, Explain, Sources
from ringmain.nearest import nearest

Make = Callable[[Any, Sources], Decode]
MakeEncoder = Callable[[Sources], Encode]


def decoder(format_name: str, value_type: Any, sources: Sources = NOTHING) -> Decode | None:
    """The decoder from a format into a type, None where the handler takes the bytes as they are."""
    if typed.without_none(value_type) is bytes:
        return None
    if format_name == "raw":
        raise AppError(f"format raw has only bytes, and the handler takes {value_type!r}; annotate bytes")
    if (codec := sources.codecs.get(format_name)) is not None:
        plain = typed.without_none(value_type)
        return lambda value: codec.decode(value, plain)
    if (make := _DECODERS.get(format_name)) is None:
        raise AppError(unknown(format_name, sources))
    try:
        return make(value_type, sources)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise AppError(f"{value_type!r} cannot be decoded from {format_name}: {error}") from None


def encoder(format_name: str, sources: Sources = NOTHING) -> Encode:
    """The encoder of a format; bytes are bytes already, and never come here."""
    if (codec := sources.codecs.get(format_name)) is not None:
        return ByValue(codec.encode)
    if (make := _ENCODERS.get(format_name)) is None:
        raise AppError(unknown(format_name, sources))
    return make(sources)


def explainer(format_name: str, value_type: Any) -> Explain | None:
    """What finds the bad field once decoding has failed, for a format whose decoder does not name it."""
    if format_name != "protobuf":
        return None
    from ringmain.formats.protobuf import explain

    return explain(typed.without_none(value_type))


def unknown(format_name: str, sources: Sources = NOTHING) -> str:
    """That nobody knows this format."""
    known = sorted((*_DECODERS, "raw", *sources.codecs))
    near = nearest(format_name, known)
    hint = f"did you mean {near!r}?" if near else f"use one of {', '.join(known)}"
    return f"{format_name!r} is no format, and no codec of the app; {hint}"


def _protobuf(value_type: Any, sources: Sources) -> Decode:
    from ringmain.formats import protobuf

    return protobuf.decoder(value_type, sources)


def _avro(value_type: Any, sources: Sources) -> Decode:
    from ringmain.formats import avro

    return avro.decoder(value_type, sources)


def _json_schema(value_type: Any, sources: Sources) -> Decode:
    from ringmain.formats import json_schema

    return json_schema.decoder(value_type, sources)


def _encode_json(_sources: Sources) -> Encode:
    return ByValue(msgspec.json.Encoder().encode)


def _encode_msgpack(_sources: Sources) -> Encode:
    return ByValue(msgspec.msgpack.Encoder().encode)


def _encode_protobuf(sources: Sources) -> Encode:
    from ringmain.formats import protobuf

    return protobuf.encoder(sources)


def _encode_avro(sources: Sources) -> Encode:
    from ringmain.formats import avro

    return avro.encoder(sources)


def _encode_json_schema(sources: Sources) -> Encode:
    from ringmain.formats import json_schema

    return json_schema.encoder(sources)


def _encode_raw(_sources: Sources) -> Encode:
    def encode(value: object, topic: str) -> bytes:
        raise TypeError(f"format raw sends bytes as they are, and got a value of type {type(value).__name__}")

    return encode


_DECODERS: Mapping[str, Make] = {
    "json": lambda value_type, _sources: typed.json(value_type),
    "msgpack": lambda value_type, _sources: typed.msgpack(value_type),
    "protobuf": _protobuf,
    "avro": _avro,
    "json-schema": _json_schema,
}
_ENCODERS: Mapping[str, MakeEncoder] = {
    "json": _encode_json,
    "msgpack": _encode_msgpack,
    "protobuf": _encode_protobuf,
    "avro": _encode_avro,
    "json-schema": _encode_json_schema,
    "raw": _encode_raw,
}
BUILT_IN = frozenset((*_DECODERS, "raw"))
