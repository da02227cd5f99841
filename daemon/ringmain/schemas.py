"""What a schema is to ringmain, and who knows schemas: the word between formats and the registry's client.

Formats ask, kafka/registry.py answers. Nothing is parsed or fetched here.
"""

from typing import Protocol

import msgspec

WITH_SCHEMAS = ("protobuf", "avro", "json-schema")
"""The formats that have them."""


class Schema(msgspec.Struct, frozen=True):
    """One schema as a registry has it."""

    id: int
    kind: str
    """The registry's own word: AVRO, PROTOBUF or JSON."""
    text: str
    references: tuple[tuple[str, str], ...] = ()
    """(name, text) of what it refers to; what these need themselves comes before them."""


class Schemas(Protocol):
    """Where schemas come from.

    One that is not there is Undecodable; a registry that is away, or answers rubbish, is a Pause.
    """

    def by_id(self, schema_id: int, shape: str = "") -> Schema:
        """The schema with this id; `shape` = the registry's own word for another form of its text."""
        ...

    def register(self, subject: str, kind: str, text: str) -> int:
        """The id of this schema under a subject, which it is given if it had none."""
        ...
