"""JSON with a JSON Schema: framed by a registry's id, or bare with the route's own schema.

Decoding enters. A value is judged by the route's own schema if it has one, else by the one it was written
with; then it becomes the handler's type. The validator is compiled once for each schema.
"""

from collections.abc import Mapping
from typing import Any

import jsonschema_rs
import msgspec

from ringmain.errors import AppError, Undecodable
from ringmain.formats import framing, typed
from ringmain.formats.contract import JSON, Decode, Encode, Schema, Sources
from ringmain.formats.framing import head_of, rubbish

_parse = msgspec.json.Decoder().decode


def decoder(value_type: Any, sources: Sources) -> Decode:
    """The decoder into a type, after the schema's word on the value."""
    own = _own(sources.schema) if sources.schema else None
    if sources.schemas is not None:
        return framing.decoder(sources.schemas, JSON, lambda found: _reader(own or _of(found), value_type))
    if own is None:
        raise AppError("json-schema needs the file of its schema (schema = …), or a [schema_registry]")
    return _reader(own, value_type)


def _reader(validator: Any, value_type: Any) -> Decode:
    convert = typed.converter(value_type)

    def decode(value: bytes) -> object:
        found = _parse(value)
        _judge(validator, found)
        # What is in JSON as text (dates, UUIDs, bytes) becomes what the type says, as with format json.
        return found if convert is None else msgspec.convert(found, value_type)

    return decode


def _judge(validator: Any, value: object) -> None:
    try:
        validator.validate(value)
    except jsonschema_rs.ValidationError as error:
        raise Undecodable(f"{_path(error.instance_path)}: {error.message}") from None


def _path(parts: Any) -> str:
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)


def encoder(sources: Sources) -> Encode:
    """Values of the producer's own schema, judged before they are sent; framed where there is a registry."""
    if not sources.schema:
        raise AppError("json-schema needs the file of its schema: schema = …")
    validator, heads = _own(sources.schema), dict[str, bytes]()

    def encode(value: object, topic: str) -> bytes:
        plain = msgspec.to_builtins(value)
        _judge(validator, plain)
        data = msgspec.json.encode(plain)
        if sources.schemas is None:
            return data
        if (head := heads.get(topic)) is None:
            head = heads[topic] = head_of(sources.schemas.register(f"{topic}-value", JSON, sources.schema))
        return head + data

    return encode


def _own(text: str) -> Any:
    try:
        return _validator(text, {})
    except Exception as error:
        raise AppError(f"the schema is no JSON Schema: {error}") from None


def _of(schema: Schema) -> Any:
    """LOSS: a schema of the registry's that is none says nothing about the message."""
    try:
        return _validator(schema.text, dict(schema.references))
    except Exception as error:
        raise rubbish(schema, error) from None


def _validator(text: str, references: Mapping[str, str]) -> Any:
    """Only what the registry brings is referred to: nothing is fetched from where a schema points to."""

    def retrieve(uri: str) -> Any:
        name = next((name for name in references if uri == name or uri.endswith(f"/{name}")), "")
        if not name:
            raise LookupError(f"{uri} is not among the schema's references")
        return _parse(references[name])

    return jsonschema_rs.validator_for(_parse(text), retriever=retrieve)
