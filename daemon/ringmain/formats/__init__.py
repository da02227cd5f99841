"""Bytes to typed values, a decoder made once for each route.

Handler processes enter with a route's format and its handler's type. What cannot be decoded is an exception
whose text has the path of the bad field (`$.items[2].amount`); what becomes of the message is the caller's
business. Nothing here keeps a value or its bytes.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ringmain.errors import AppError

Decode = Callable[[bytes], object]


def decoder(format_name: str, value_type: Any) -> Decode | None:
    """The decoder from a format into a type, None where the handler takes the bytes as they are."""
    if value_type is bytes:
        return None
    if format_name == "raw":
        raise AppError(f"format raw has only bytes, and the handler takes {value_type!r}; annotate bytes")
    make = _MAKERS.get(format_name)
    if make is None:
        known = ", ".join(sorted((*_MAKERS, "raw")))
        raise AppError(f"format {format_name!r} cannot be decoded by this version; use one of {known}")
    try:
        return make(value_type)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise AppError(f"{value_type!r} cannot be decoded from {format_name}: {error}") from None


def _json(value_type: Any) -> Decode:
    decode: Decode = msgspec.json.Decoder(value_type).decode
    return decode


def _msgpack(value_type: Any) -> Decode:
    decode: Decode = msgspec.msgpack.Decoder(value_type).decode
    return decode


_MAKERS: Mapping[str, Callable[[Any], Decode]] = {"json": _json, "msgpack": _msgpack}
