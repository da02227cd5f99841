"""What msgspec decodes into: json and msgpack, and the plain values that other formats come to.

The formats enter. A type that nothing decodes into is refused when a route is checked, not with each message.
"""

import datetime
import decimal
import types
import uuid
from collections.abc import Callable
from typing import Any, Union, get_args, get_origin

import msgspec

from ringmain.formats.contract import Decode

NATIVE = (
    bytes,
    bytearray,
    datetime.datetime,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    decimal.Decimal,
    uuid.UUID,
)
"""Values that a format may hand over as they are."""


def json(value_type: Any) -> Decode:
    """The decoder of JSON."""
    decode: Decode = msgspec.json.Decoder(value_type).decode
    return decode


def msgpack(value_type: Any) -> Decode:
    """The decoder of MessagePack."""
    decode: Decode = msgspec.msgpack.Decoder(value_type).decode
    return decode


def converter(value_type: Any) -> Callable[[Any], Any] | None:
    """From plain dicts and lists into a type; None where they are what is wanted."""
    plain = without_none(value_type)
    if plain in (dict, Any, object) or plain == dict[str, Any]:
        return None

    def convert(value: Any) -> Any:
        return msgspec.convert(value, value_type, builtin_types=NATIVE)

    return convert


def to_plain(value: object) -> Any:
    """A Struct, dataclass and the like as dicts and lists."""
    return value if type(value) is dict else msgspec.to_builtins(value, builtin_types=NATIVE)


def without_none(value_type: Any) -> Any:
    """`Order | None` -> Order: a message without a value is never decoded."""
    if get_origin(value_type) not in (Union, types.UnionType):
        return value_type
    members = get_args(value_type)
    others = tuple(member for member in members if member is not type(None))
    return Union[others] if len(others) < len(members) else value_type  # noqa: UP007


def problem_with(value_type: Any) -> str:
    """Why msgspec would refuse this type with each message; "" = it does not."""
    try:
        foreign = _foreign_types(msgspec.inspect.type_info(value_type))
        msgspec.json.Decoder(value_type)
    except Exception as error:
        return f"{value_type!r} cannot be decoded: {error}"
    if not foreign:
        return ""
    return (
        f"nothing decodes into {foreign[0].__qualname__}; use a msgspec.Struct, a dataclass, a TypedDict or "
        "dict, take bytes and decode them yourself, or register a codec"
    )


def _foreign_types(root: msgspec.inspect.Type) -> list[type]:
    """Classes in a type that msgspec knows nothing about, however deep."""
    found: list[type] = []
    seen: set[int] = set()
    waiting: list[Any] = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, msgspec.inspect.CustomType):
            found.append(node.cls)
        elif isinstance(node, tuple | list):
            waiting += node
        elif isinstance(node, msgspec.inspect.Type | msgspec.inspect.Field) and id(node) not in seen:
            seen.add(id(node))
            waiting += [getattr(node, name) for name in node.__struct_fields__ if name != "default"]
    return found
