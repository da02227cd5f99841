"""The frame of a schema registry around a value: a zero, the schema's id in four bytes, then the value.

Formats with schemas enter. A schema is asked for once for each id. PERF: values whose head was among the last
few are cut and read in compiled code, without a look into anything here.
"""

from collections.abc import Callable

from ringmain._fastpath import HeadReader
from ringmain.errors import Undecodable
from ringmain.formats.contract import Decode, Schema, Schemas
from ringmain.outcome import Pause

HEAD_BYTES = 5
RUBBISH_S = 5.0
"""How long a message waits before the registry is asked again."""

Place = tuple[int, Decode]
"""How long a value's whole head is, and what reads the rest."""
Find = Callable[[bytes], Place]


def decoder(schemas: Schemas, kind: str, make: Callable[[Schema], Decode]) -> Decode:
    """The decoder of framed values; `make`: a schema to what reads what is behind the id."""

    def finder(schema: Schema) -> Find:
        place = (HEAD_BYTES, make(schema))
        return lambda value: place

    return HeadReader(Places(schemas, kind, finder).find).decode


class Places:
    """Where the values of each schema begin, and what reads them; made once for each id."""

    def __init__(self, schemas: Schemas, kind: str, make: Callable[[Schema], Find], shape: str = "") -> None:
        self._schemas, self._kind, self._make, self._shape = schemas, kind, make, shape
        self._made = dict[int, Find]()

    def find(self, value: bytes) -> Place:
        """Of one framed value."""
        schema_id = schema_id_of(value)
        if (made := self._made.get(schema_id)) is None:
            made = self._made[schema_id] = self._make(self._schema(schema_id))
        return made(value)

    def _schema(self, schema_id: int) -> Schema:
        schema = self._schemas.by_id(schema_id, self._shape)
        if schema.kind != self._kind:
            raise Undecodable(
                f"$: schema {schema.id} is of type {schema.kind}, and the route's format needs {self._kind}"
            )
        return schema


def schema_id_of(value: bytes) -> int:
    """The id in the first bytes of a value."""
    if len(value) < HEAD_BYTES or value[0] != 0:
        raise Undecodable(
            "$: the value does not begin with a zero and a schema's id; was it written without the registry?"
        )
    return int.from_bytes(value[1:HEAD_BYTES], "big")


def head_of(schema_id: int) -> bytes:
    """What a value written with this schema begins with."""
    return b"\0" + schema_id.to_bytes(4, "big")


def rubbish(schema: Schema, error: Exception) -> Pause:
    """A schema that is none: the registry is to blame, so the message waits until it says something else."""
    return Pause(RUBBISH_S, f"the schema registry has schema {schema.id}, which is no {schema.kind}: {error}")
