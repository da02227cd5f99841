"""The frame of a schema registry around a value: a zero, the schema's id in four bytes, then the value.

Formats with schemas enter. A reader is made for each id once; per value there is one look into a dict.
"""

from collections.abc import Callable

from ringmain.errors import Undecodable
from ringmain.formats.contract import Decode, Schema, Schemas
from ringmain.outcome import Pause

HEAD_BYTES = 5
RUBBISH_S = 5.0
"""How long a message waits before the registry is asked again."""

MakeReader = Callable[[Schema], Decode]
"""A schema to what reads a whole framed value, head included."""


class Readers(dict[bytes, Decode]):
    """The readers by the heads of values."""

    def __init__(self, schemas: Schemas, kind: str, make: MakeReader, shape: str = "") -> None:
        super().__init__()
        self._schemas, self._kind, self._make, self._shape = schemas, kind, make, shape

    def __missing__(self, head: bytes) -> Decode:
        schema = self._schemas.by_id(schema_id_of(head), self._shape)
        if schema.kind != self._kind:
            raise Undecodable(
                f"$: schema {schema.id} is of type {schema.kind}, and the route's format needs {self._kind}"
            )
        reader = self[head] = self._make(schema)
        return reader

    def decode(self, value: bytes) -> object:
        """One framed value."""
        return self[value[:HEAD_BYTES]](value)


def schema_id_of(head: bytes) -> int:
    """The id in the first bytes of a value."""
    if len(head) < HEAD_BYTES or head[0] != 0:
        raise Undecodable(
            "$: the value does not begin with a zero and a schema's id; was it written without the registry?"
        )
    return int.from_bytes(head[1:HEAD_BYTES], "big")


def head_of(schema_id: int) -> bytes:
    """What a value written with this schema begins with."""
    return b"\0" + schema_id.to_bytes(4, "big")


def rubbish(schema: Schema, error: Exception) -> Pause:
    """A schema that is none: the registry is to blame, so the message waits until it says something else."""
    return Pause(RUBBISH_S, f"the schema registry has schema {schema.id}, which is no {schema.kind}: {error}")
