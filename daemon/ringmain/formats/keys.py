"""Keys to typed values: what a handler's parameter `key` is given.

Plans enter. A key is mostly one word, so it is read as text unless the type or `key_format` says otherwise.
What does not fit is an exception with the path `key`.
"""

import datetime
import decimal
import enum
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from ringmain.errors import AppError, Undecodable
from ringmain.formats.contract import NOTHING, Decode, Sources
from ringmain.formats.decoding import decoder
from ringmain.formats.typed import without_none
from ringmain.outcome import OutcomeValue

KeyDecode = Callable[[bytes | None], object]

_WORDS = (str, int, float, bool, decimal.Decimal, uuid.UUID, datetime.date, datetime.time, enum.Enum)


def key_decoder(
    key_format: str | None, value_format: str, key_type: Any, sources: Sources = NOTHING
) -> KeyDecode:
    """The decoder of keys; without a `key_format` one word is text, and what has fields is as the value."""
    plain = without_none(key_type)
    # The route's own schema is that of its values.
    decode = _decoder(chosen(key_format, value_format, plain), plain, replace(sources, schema=""))
    takes_none = plain is not key_type

    def decode_key(key: bytes | None) -> object:
        if key is None:
            if takes_none:
                return None
            raise Undecodable("key: the message has no key, and the handler's type for it takes none")
        try:
            return key if decode is None else decode(key)
        except Undecodable as error:
            raise Undecodable(f"key{str(error).removeprefix('$')}") from None
        except (MemoryError, OutcomeValue):
            raise
        except Exception as error:
            raise Undecodable(f"key: {error}") from None

    return decode_key


def chosen(key_format: str | None, value_format: str, key_type: Any) -> str:
    """The format that keys are read in."""
    return key_format or ("text" if _is_word(without_none(key_type)) else value_format)


def _decoder(key_format: str, key_type: Any, sources: Sources) -> Decode | None:
    if key_format == "text":
        return _text(key_type)
    if key_format == "integer":
        return _integer(key_type)
    return decoder(key_format, key_type, sources)


def _is_word(key_type: Any) -> bool:
    kind = getattr(key_type, "__supertype__", key_type)  # of a NewType
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return get_origin(kind) is Literal or (isinstance(kind, type) and issubclass(kind, (*_WORDS, bytes)))


def _text(key_type: Any) -> Decode | None:
    if key_type is bytes:
        return None
    if key_type is str:
        return lambda key: key.decode()
    if key_type is int:
        # PERF: int() reads bytes as they are, but takes spaces and underscores as well.
        return lambda key: int(key) if key.removeprefix(b"-").isdigit() else _refuse_number(key)
    if not _is_word(key_type):
        raise AppError(f'key_format = "text" gives one word, and the handler takes {key_type!r}')
    return lambda key: msgspec.convert(key.decode(), key_type, strict=False)


def _refuse_number(key: bytes) -> int:
    raise Undecodable(f"$: expected a whole number in digits, found {len(key)} other bytes")


def _integer(key_type: Any) -> Decode:
    """Kafka's own IntegerSerializer and LongSerializer."""
    if key_type is not int:
        raise AppError(f'key_format = "integer" gives an int, and the handler takes {key_type!r}')

    def decode(key: bytes) -> int:
        if len(key) not in (4, 8):
            raise Undecodable(f"$: expected 4 or 8 bytes of an integer, found {len(key)}")
        return int.from_bytes(key, "big", signed=True)

    return decode
