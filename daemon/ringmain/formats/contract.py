"""What formats are made from and what they come to, in types.

Every module of the room enters, and whoever brings schemas from elsewhere. Nothing is decoded here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ringmain.codec import Codec, Encode
from ringmain.schemas import Schema, Schemas

Decode = Callable[[bytes], object]
Explain = Callable[[bytes, BaseException], str]
"""What is wrong with these bytes, asked only once they could not be decoded."""

AVRO = "AVRO"
PROTOBUF = "PROTOBUF"
JSON = "JSON"
"""Kinds of schemas, by the registry's own words."""


@dataclass(frozen=True)
class Sources:
    """What a format is made from beside a type."""

    codecs: Mapping[str, Codec] = field(default_factory=dict)
    """The app's own formats."""
    schema: str = ""
    """Text of the route's own schema; "" = it has none."""
    schemas: Schemas | None = None
    """A registry, where one is configured."""


NOTHING = Sources()

__all__ = [
    "AVRO",
    "JSON",
    "NOTHING",
    "PROTOBUF",
    "Decode",
    "Encode",
    "Explain",
    "Schema",
    "Schemas",
    "Sources",
]
