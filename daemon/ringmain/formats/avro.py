"""Avro by fastavro: framed by a registry's schema id, or bare with the route's own schema.

Decoding enters. The writer's schema is the registry's; the route's own, if it has one, is the reader's. What
cannot be read is looked at once more, field by field, to name the bad one.
"""

import json
from io import BytesIO
from typing import Any

import fastavro
import msgspec

from ringmain._fastpath import ByteStream
from ringmain.errors import AppError, Undecodable
from ringmain.formats import avro_faults, framing, typed
from ringmain.formats.contract import AVRO, Decode, Encode, Schema, Sources
from ringmain.formats.framing import head_of, rubbish


def decoder(value_type: Any, sources: Sources) -> Decode:
    """The decoder into a type; dicts stay as fastavro makes them."""
    own = _own(sources.schema) if sources.schema else None
    if sources.schemas is not None:
        return framing.decoder(sources.schemas, AVRO, lambda found: _reader(_parsed(found), own, value_type))
    if own is None:
        raise AppError("avro needs the file of its schema (schema = …), or a [schema_registry]")
    return _reader(own, None, value_type)


def _reader(writer: Any, own: Any, value_type: Any) -> Decode:
    read: Any = fastavro.schemaless_reader  # says that it needs a file, and only calls its read()
    convert = typed.converter(value_type)
    if own == writer:
        own = None  # PERF: the library would compare them with each value

    def decode(value: bytes) -> object:
        stream = ByteStream(value)
        try:
            found = read(stream, writer, own)
        except MemoryError:  # of the process, not of the message
            raise
        except Exception as error:
            raise Undecodable(avro_faults.explain(writer, own, value, error)) from None
        if stream.left:
            raise Undecodable("$: bytes are left behind the value; it was written with another schema")
        return found if convert is None else convert(found)

    return decode


def encoder(sources: Sources) -> Encode:
    """Values of the producer's own schema, framed where there is a registry."""
    if not sources.schema:
        raise AppError("avro needs the file of its schema: schema = …")
    schema, heads = _own(sources.schema), dict[str, bytes]()

    def encode(value: object, topic: str) -> bytes:
        if sources.schemas is None:
            head = b""
        elif (known := heads.get(topic)) is not None:
            head = known
        else:
            head = heads[topic] = head_of(sources.schemas.register(f"{topic}-value", AVRO, sources.schema))
        stream = BytesIO()
        stream.write(head)
        fastavro.schemaless_writer(stream, schema, typed.to_plain(value))
        return stream.getvalue()

    return encode


def _own(text: str) -> Any:
    try:
        return _parse(text, ())
    except Exception as error:
        raise AppError(f"the schema is not avro: {error}") from None


def _parsed(schema: Schema) -> Any:
    """LOSS: a schema of the registry's that is none says nothing about the message."""
    try:
        return _parse(schema.text, schema.references)
    except Exception as error:
        raise rubbish(schema, error) from None


def _parse(text: str, references: tuple[tuple[str, str], ...]) -> Any:
    named: dict[str, dict[str, Any]] = {}
    for _, referred in references:
        fastavro.parse_schema(json.loads(referred), named_schemas=named)
    return fastavro.parse_schema(msgspec.json.decode(text), named_schemas=named)
