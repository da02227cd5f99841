"""What a test hands in becomes the bytes that Kafka would bring.

The harness enters. Bytes stay as they are, so that a test can send what no encoder makes.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from ringmain.app import App
from ringmain.config.schema import Route
from ringmain.formats import Sources, encoder, schema_text

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


def encoded(value: Any, app: App, settings: Route, topic: str) -> bytes | None:
    """The value in the route's format; None is a tombstone."""
    if value is None or isinstance(value, bytes):
        return value
    sources = Sources(app.codecs, schema_text(settings.schema))
    return encoder(settings.format, sources)(value, topic)


def key_bytes(key: str | bytes | None) -> bytes | None:
    """A key, or the content of a header, as Kafka has it."""
    if key is not None and not isinstance(key, str | bytes):
        raise TypeError(f"a key or a header's content is str, bytes or None, found {type(key).__name__}")
    return key.encode() if isinstance(key, str) else key


def header_pairs(headers: Headers | None) -> list[tuple[str, bytes | None]]:
    """Headers as Kafka has them, in order, repeats kept."""
    if headers is None:
        return []
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [(name, key_bytes(content)) for name, content in pairs]
