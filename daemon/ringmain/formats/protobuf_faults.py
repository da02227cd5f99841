"""Which field of a protobuf message cannot be read, told once the whole could not be.

The decoder and the resolver enter with bytes that failed. The wire format is walked by the class's own
descriptor; the first thing that no reader accepts is named. Nothing here is fast.
"""

from collections import Counter
from typing import Any

_VARINT, _FIXED64, _LENGTH, _START, _END, _FIXED32 = range(6)
_STRING = 9  # FieldDescriptor.TYPE_STRING
_MESSAGE = 11  # FieldDescriptor.TYPE_MESSAGE
_WIDTHS = {_FIXED64: 8, _FIXED32: 4}
_DEEPEST = 100


def explain(descriptor: Any, data: bytes, error: BaseException) -> str:
    """`$.items[2].name: …`, or what the library says of the whole."""
    return _fault(descriptor, data, "$") or f"$: {error}"


def _fault(descriptor: Any, data: bytes, path: str) -> str:
    at, seen = 0, Counter[int]()
    while at < len(data):
        tag, at = _varint(data, at)
        if tag is None or tag >> 3 == 0:
            return f"{path}: what should be a field is none"
        number, wire = tag >> 3, tag & 7
        field = descriptor.fields_by_number.get(number) if descriptor is not None else None
        here = _path(path, number, field, seen[number])
        seen[number] += 1
        if wire == _END:
            continue
        end, reason = _end(data, at, wire)
        if reason:
            return f"{here}: {reason}"
        if field is not None and wire == _LENGTH:
            _, begin = _varint(data, at)
            if fault := _inside(field, data[begin:end], here):
                return fault
        at = end
    return ""


def _path(path: str, number: int, field: Any, index: int) -> str:
    if field is None:
        return f"{path}.<field {number}>"
    return f"{path}.{field.name}[{index}]" if _repeated(field) else f"{path}.{field.name}"


def _repeated(field: Any) -> bool:
    known = getattr(field, "is_repeated", None)  # of newer libraries; label is of older ones
    return bool(known) if known is not None else field.label == field.LABEL_REPEATED


def _inside(field: Any, data: bytes, path: str) -> str:
    if field.type == _MESSAGE and path.count(".") < _DEEPEST:
        return _fault(field.message_type, data, path)
    if field.type == _STRING:
        try:
            data.decode()
        except UnicodeDecodeError as error:
            return f"{path}: a string is not UTF-8: {error.reason} at byte {error.start}"
    return ""


def _end(data: bytes, at: int, wire: int) -> tuple[int, str]:
    """Where a field's content ends, or why it has no end."""
    if wire == _VARINT:
        number, end = _varint(data, at)
        return end, "" if number is not None else "a number is cut off"
    if wire in _WIDTHS:
        end = at + _WIDTHS[wire]
        return end, "" if end <= len(data) else "the message ends in the middle"
    if wire == _LENGTH:
        length, begin = _varint(data, at)
        if length is None:
            return at, "a length is cut off"
        end, left = begin + length, len(data) - begin
        return end, "" if end <= len(data) else f"it says to be {length} bytes long, and {left} are left"
    return at, "" if wire == _START else f"there is no kind of field with the number {wire}"


def _varint(data: bytes, at: int) -> tuple[int | None, int]:
    number = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, at
    return None, at
