"""Protobuf by its own library: the handler's annotation is the class that protoc made.

Decoding enters. Bare values go straight to the class; framed ones are looked at for the schema's id and for
which of its messages they are, and both must be the handler's. The registry's text is only used for that.
"""

import base64
from collections.abc import Sequence
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError

from ringmain._fastpath import HeadReader
from ringmain.errors import AppError, Undecodable
from ringmain.formats import protobuf_faults, typed
from ringmain.formats.contract import PROTOBUF, Decode, Encode, Explain, Schema, Schemas, Sources
from ringmain.formats.framing import HEAD_BYTES, Find, Place, Places, head_of

SERIALIZED = "serialized"
"""The registry's word for a schema as a FileDescriptorProto in base64."""


def decoder(value_type: Any, sources: Sources) -> Decode:
    """The decoder into a generated class. PERF: of bare values it is the class's own."""
    plain = typed.without_none(value_type)
    if not hasattr(plain, "FromString") or not hasattr(plain, "DESCRIPTOR"):
        raise AppError(f"protobuf gives an object of a class that protoc made, and {value_type!r} is none")
    if sources.schemas is None:
        bare: Decode = plain.FromString
        return bare
    return _framed(sources.schemas, plain)


def explain(value_type: Any) -> Explain:
    """What names the bad field of a bare value."""
    return lambda value, error: protobuf_faults.explain(value_type.DESCRIPTOR, value, error)


def _framed(schemas: Schemas, value_type: Any) -> Decode:
    """PERF: behind its head a value goes straight to the class."""
    from_string, wanted = value_type.FromString, value_type.DESCRIPTOR.full_name

    def finder(schema: Schema) -> Find:
        names = _Names(schema)

        def place(value: bytes) -> Place:
            path, at = _path_of(value)
            if (found := names.of(path)) not in (wanted, ""):
                raise Undecodable(f"$: schema {schema.id} says {found}, and the handler takes {wanted}")
            return at, from_string

        return place

    def refuse(data: bytes, error: Exception) -> None:
        if isinstance(error, DecodeError):
            text = protobuf_faults.explain(value_type.DESCRIPTOR, data, error)
            raise Undecodable(text) from None

    return HeadReader(Places(schemas, PROTOBUF, finder, SERIALIZED).find, refuse).decode


class _Names:
    """The messages of a schema by their places in it; "" = its text does not tell."""

    def __init__(self, schema: Schema) -> None:
        self._file = _file_of(schema.text)
        self._id = schema.id

    def of(self, path: Sequence[int]) -> str:
        if self._file is None:
            return ""
        names, inner = [self._file.package] if self._file.package else [], self._file.message_type
        for number in path:
            if not 0 <= number < len(inner):
                raise Undecodable(f"$: schema {self._id} has no message at {list(path)}")
            names.append(inner[number].name)
            inner = inner[number].nested_type
        return ".".join(names)


def _file_of(text: str) -> Any:
    """None where the registry gave the text of a .proto file instead."""
    try:
        found = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(text, validate=True))
    except (ValueError, DecodeError):
        return None
    return found if found.message_type else None


def _path_of(value: bytes) -> tuple[list[int], int]:
    """Which message of the schema a framed value is, and where it begins."""
    try:
        count, at = _zigzag(value, HEAD_BYTES)
        path = []
        for _ in range(count):
            number, at = _zigzag(value, at)
            path.append(number)
    except IndexError:
        raise Undecodable("$: the value ends before its message begins") from None
    return path or [0], at


def _zigzag(value: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = value[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at
        if shift > 63:
            raise Undecodable("$: the place of the message in its schema is no number")


def encoder(sources: Sources) -> Encode:
    """Generated objects, framed where there is a registry."""
    heads = dict[tuple[str, str], bytes]()

    def encode(value: object, topic: str) -> bytes:
        descriptor = getattr(value, "DESCRIPTOR", None)
        if descriptor is None or not hasattr(value, "SerializeToString"):
            kind = type(value).__name__
            raise TypeError(f"format protobuf sends objects of classes that protoc made, not of type {kind}")
        data: bytes = value.SerializeToString()
        if sources.schemas is None:
            return data
        key = (topic, descriptor.full_name)
        if (head := heads.get(key)) is None:
            text = sources.schema or _text_of(descriptor.file)
            found = sources.schemas.register(f"{topic}-value", PROTOBUF, text)
            head = heads[key] = head_of(found) + _place_of(descriptor)
        return head + data

    return encode


def _text_of(file: Any) -> str:
    return base64.b64encode(file.serialized_pb).decode()


def _place_of(descriptor: Any) -> bytes:
    """Where a message is in its file, as the frame says it."""
    path: list[int] = []
    while descriptor is not None:
        outer = descriptor.containing_type
        siblings = outer.nested_types if outer is not None else descriptor.file.message_types_by_name.values()
        path.insert(0, [one.full_name for one in siblings].index(descriptor.full_name))
        descriptor = outer
    if path == [0]:
        return b"\0"
    return b"".join(_as_zigzag(number) for number in (len(path), *path))


def _as_zigzag(number: int) -> bytes:
    number <<= 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
