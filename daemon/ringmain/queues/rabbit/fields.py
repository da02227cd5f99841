"""An envelope as AMQP properties and body, and back: the only place that knows the `x-ringmain-…` headers.

Publisher, taker and dead set enter. The body is the Kafka value, unchanged; everything else stands in headers
of the fields' own names, absent where it is the default. What does not look like that reads as Foreign and is
never an exception: anybody may publish into our queues. Headers of others (x-death, …) are not carried on.
"""

import struct
from struct import Struct
from typing import Any

from pika import data, spec
from pika.exceptions import AMQPError

from ringmain.queues import frames
from ringmain.queues.envelope import UNREADABLE, Envelope, Foreign, Headers, Packed, decode, encode

PREFIX = "x-ringmain-"
PACKED_TYPE = "application/x-ringmain-packed"
"""Content type of a body that is the whole envelope, for metadata that fits into no header frame."""
METADATA_BYTES = 64 << 10
"""Above this headers go into the body: a header frame must fit into a frame of the connection."""
FRAME_BYTES = 128 << 10
_AROUND_BYTES = 64

_SHORT, _LONG, _SIZE = Struct(">H"), Struct(">q"), Struct(">I")
_WITH_TYPE, _WITH_ENCODING = (
    spec.BasicProperties.FLAG_CONTENT_TYPE,
    spec.BasicProperties.FLAG_CONTENT_ENCODING,
)
_WITH_HEADERS = spec.BasicProperties.FLAG_HEADERS
_PLAIN_FLAGS = _SHORT.pack(_WITH_HEADERS | spec.BasicProperties.FLAG_DELIVERY_MODE)
_TYPED_FLAGS = _SHORT.pack(_WITH_TYPE | _WITH_HEADERS | spec.BasicProperties.FLAG_DELIVERY_MODE)
_PERSISTENT = bytes([spec.PERSISTENT_DELIVERY_MODE])
_NUMBER, _TEXT, _BYTES, _ARRAY, _VOID, _FLAG = b"l", b"S", b"x", b"A", b"V", b"t"
_DAMAGED = (
    *(AMQPError, struct.error, ValueError, LookupError, TypeError, ArithmeticError, OSError),
    *UNREADABLE,
)
"""What pika's decoder and our own conversions raise for bytes and types that are not ours (a timestamp in
nanoseconds is an OSError)."""


def write(message: Envelope | Packed, frame_bytes: int = FRAME_BYTES) -> tuple[bytes, bytes]:
    """The encoded properties (persistent, with our headers) and the body.

    LOSS: a header frame above the connection's `frame_bytes` would end the connection, each time anew.
    """
    if isinstance(message, Packed):
        return _typed(frames.CONTENT_TYPE, _number(b"messages", message.messages)), message.body
    table = _table(message)
    if len(table) > min(METADATA_BYTES, frame_bytes - _AROUND_BYTES):
        return _typed(PACKED_TYPE, b""), encode(message)
    return _PLAIN_FLAGS + _SIZE.pack(len(table)) + table + _PERSISTENT, message.value or b""


def read(properties: bytes, body: bytes) -> Envelope | Packed | Foreign:
    """What came; Foreign with the reason when it is none of ours or damaged."""
    try:
        content_type, position = _start(properties)
        if content_type == PACKED_TYPE:
            return decode(body)
        if content_type == frames.CONTENT_TYPE:
            return Packed(body, frames.count(body))
        return _envelope(_fields(properties, position), body)
    except _DAMAGED as error:
        return Foreign(body, _foreign_headers(properties), f"not a message of ringmain: {error}")


# -- writing ---------------------------------------------------------------------------------------------


def _head(name: bytes, kind: bytes) -> bytes:
    whole = PREFIX.encode() + name
    return bytes([len(whole)]) + whole + kind


def _number(name: bytes, number: int) -> bytes:
    return _head(name, _NUMBER) + _LONG.pack(number)


_ATTEMPT, _OFFSET = _head(b"attempt", _NUMBER), _head(b"offset", _NUMBER)
_PARTITION, _TIMESTAMP = _head(b"partition", _NUMBER), _head(b"timestamp-ms", _NUMBER)
_ORIGIN = Struct(f">{len(_ATTEMPT)}sq{len(_OFFSET)}sq{len(_PARTITION)}sq{len(_TIMESTAMP)}sq")
_FIRST, _LAST = _head(b"first-failed-ms", _NUMBER), _head(b"failed-ms", _NUMBER)
_FAILED = Struct(f">{len(_FIRST)}sq{len(_LAST)}sq")
_TOPIC, _KEY, _HEADERS = _head(b"topic", _TEXT), _head(b"key", _BYTES), _head(b"headers", _ARRAY)
_CLASS, _MESSAGE = _head(b"error-class", _TEXT), _head(b"error-message", _TEXT)
_TRACEBACK, _NODE = _head(b"traceback", _TEXT), _head(b"node", _TEXT)
_REPLAYED = _head(b"replayed", _FLAG) + b"\x01"
_NO_VALUE = _head(b"no-value", _FLAG) + b"\x01"


def _table(message: Envelope) -> bytes:
    """The headers, without their length. PERF: 3 us; pika's encode_table on a dict of the same costs 20."""
    topic = _encoded(message.topic)
    pieces = [
        _ORIGIN.pack(
            *(_ATTEMPT, message.attempt, _OFFSET, message.offset),
            *(_PARTITION, message.partition, _TIMESTAMP, message.timestamp_ms),
        ),
        *(_TOPIC, _SIZE.pack(len(topic)), topic),
    ]
    if (key := message.key) is not None:
        pieces += (_KEY, _SIZE.pack(len(key)), key)
    if message.headers:
        array = b"".join([_element(part) for header in message.headers for part in header])
        pieces += (_HEADERS, _SIZE.pack(len(array)), array)
    if message.failed_ms or message.first_failed_ms:
        pieces.append(_FAILED.pack(_FIRST, message.first_failed_ms, _LAST, message.failed_ms))
    for head, text in (
        (_CLASS, message.error_class),
        (_MESSAGE, message.error_message),
        (_TRACEBACK, message.traceback),
        (_NODE, message.node),
    ):
        if text:
            encoded = _encoded(text)
            pieces += (head, _SIZE.pack(len(encoded)), encoded)
    if message.crashes or message.replayed or message.withheld_bytes or message.value is None:
        pieces += _rare(message)
    return b"".join(pieces)


def _rare(message: Envelope) -> list[bytes]:
    return [
        _number(b"crashes", message.crashes) if message.crashes else b"",
        _number(b"withheld-bytes", message.withheld_bytes) if message.withheld_bytes else b"",
        _REPLAYED if message.replayed else b"",
        _NO_VALUE if message.value is None else b"",
    ]


def _element(part: str | bytes | None) -> bytes:
    if part is None:
        return _VOID
    if isinstance(part, str):
        encoded = _encoded(part)
        return _TEXT + _SIZE.pack(len(encoded)) + encoded
    return _BYTES + _SIZE.pack(len(part)) + part


def _encoded(text: str) -> bytes:
    """LOSS: a lone surrogate must not stop a message for ever."""
    return text.encode(errors="backslashreplace")


def _typed(content_type: str, table: bytes) -> bytes:
    name = content_type.encode()
    return _TYPED_FLAGS + bytes([len(name)]) + name + _SIZE.pack(len(table)) + table + _PERSISTENT


# -- reading ---------------------------------------------------------------------------------------------


def _start(properties: bytes) -> tuple[str, int]:
    """The content type, and where the headers begin."""
    flags = _SHORT.unpack_from(properties)[0]
    content_type, position = "", 2
    if flags & _WITH_TYPE:
        content_type, position = data.decode_short_string(properties, position)
    if flags & _WITH_ENCODING:
        _, position = data.decode_short_string(properties, position)
    if content_type not in (PACKED_TYPE, frames.CONTENT_TYPE) and not flags & _WITH_HEADERS:
        raise ValueError(f"it has no {PREFIX} headers")
    return content_type, position


def _fields(properties: bytes, position: int) -> dict[str, Any]:
    """Our headers by field; texts are still bytes. PERF: pika's decode_table costs six times as much."""
    end = position + 4 + _SIZE.unpack_from(properties, position)[0]
    if end > len(properties):
        raise ValueError("its headers are cut off")
    position += 4
    fields: dict[str, Any] = {}
    while position < end:
        kind_at = position + 1 + properties[position]
        field = _FIELD_OF.get(properties[position + 1 : kind_at])
        kind = properties[kind_at]
        if kind == _KIND_NUMBER:
            value: Any = _LONG.unpack_from(properties, kind_at + 1)[0]
            position = kind_at + 9
        elif kind in _SIZED and field != "headers":
            size = _SIZE.unpack_from(properties, kind_at + 1)[0]
            position = kind_at + 5 + size
            value = properties[kind_at + 5 : position]
        else:
            value, position = _decoded(properties, kind_at)
        if field is not None:
            fields[field] = value
    return fields


def _decoded(properties: bytes, position: int) -> tuple[Any, int]:
    """A value of any kind: a list's texts come as bytes and text alike, as we wrote them."""
    if properties[position] != _ARRAY[0]:
        return data.decode_value(properties, position)  # type: ignore[no-any-return]
    end = position + 5 + _SIZE.unpack_from(properties, position + 1)[0]
    position += 5
    elements: list[Any] = []
    while position < end:
        if properties[position] == _TEXT[0]:
            size = _SIZE.unpack_from(properties, position + 1)[0]
            elements.append(properties[position + 5 : position + 5 + size].decode())
            position += 5 + size
        else:
            element, position = data.decode_value(properties, position)
            elements.append(element)
    return elements, position


_FIELD_OF = {
    (PREFIX + field.replace("_", "-")).encode(): field for field in (*Envelope.__struct_fields__, "no_value")
}
_KIND_NUMBER = _NUMBER[0]
_SIZED = frozenset(_TEXT + _BYTES + _ARRAY + b"F")
_TEXTS = ("topic", "error_class", "error_message", "traceback", "node")
_NUMBERS = tuple(field for field, kind in Envelope.__annotations__.items() if kind is int)
_NEEDED = ("topic", "partition", "offset", "timestamp_ms")


def _envelope(fields: dict[str, Any], body: bytes) -> Envelope:
    for name in _NEEDED:
        if name not in fields:
            raise ValueError(f"header {PREFIX}{name.replace('_', '-')} is missing")
    for name in _TEXTS:
        if name in fields:
            fields[name] = fields[name].decode()
    if "headers" in fields:
        flat = fields["headers"]
        fields["headers"] = list(zip(flat[::2], flat[1::2], strict=True))
    fields["value"] = None if fields.pop("no_value", False) else body
    fields.setdefault("key", None)
    fields.setdefault("headers", [])
    envelope = Envelope(**fields)
    _check(envelope)
    return envelope


def _check(envelope: Envelope) -> None:
    """Are all of the kinds that the ring and the dead set take? Structs do not look by themselves."""
    for name in _NUMBERS:
        if type(getattr(envelope, name)) is not int:
            raise ValueError(f"header {PREFIX}{name.replace('_', '-')} is no number")
    if envelope.key is not None and type(envelope.key) is not bytes:
        raise ValueError(f"header {PREFIX}key is not bytes")
    for name, content in envelope.headers:
        if type(name) is not str or not (content is None or type(content) is bytes):
            raise ValueError(f"header {PREFIX}headers is not a list of names and bytes")


def _foreign_headers(properties: bytes) -> Headers:
    """The headers of a foreign message, as far as they can be read and shown."""
    try:
        table = spec.BasicProperties().decode(properties).headers or {}
    except _DAMAGED:
        return []
    return [(_shown(name), _content(content)) for name, content in table.items()]


def _shown(name: object) -> str:
    return name if isinstance(name, str) else repr(name)


def _content(content: object) -> bytes | None:
    if content is None or isinstance(content, bytes):
        return content
    return _encoded(str(content))
