"""What a test hands in becomes the bytes that Kafka would bring.

The harness enters. Bytes stay as they are, so that a test can send what no encoder makes.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

import msgspec

from ringmain.errors import RingmainError

Headers = Mapping[str, "str | bytes | None"] | Iterable[tuple[str, "str | bytes | None"]]


class About(TypedDict, total=False):
    """What else there may be to say of a message; what is left out is made up."""

    key: str | bytes | None
    headers: Headers | None
    topic: str
    partition: int
    timestamp_ms: int
    channel: str
    """The channel it was sent to; empty = it comes from Kafka."""


_ENCODERS: Mapping[str, Any] = {"json": msgspec.json.encode, "msgpack": msgspec.msgpack.encode}


def encoded(value: Any, format_name: str) -> bytes | None:
    """The value in the route's format; None is a tombstone."""
    if value is None or isinstance(value, bytes):
        return value
    encode = _ENCODERS.get(format_name)
    if encode is None:
        raise RingmainError(f"a value of format {format_name} is sent as bytes, found {type(value).__name__}")
    raw: bytes = encode(value)
    return raw


def key_bytes(key: str | bytes | None) -> bytes | None:
    """A key as Kafka has it."""
    return key.encode() if isinstance(key, str) else key


def header_pairs(headers: Headers | None) -> list[tuple[str, bytes | None]]:
    """Headers as Kafka has them, in order, repeats kept."""
    if headers is None:
        return []
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [(name, key_bytes(content)) for name, content in pairs]
