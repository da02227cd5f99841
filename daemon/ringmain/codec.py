"""A format of the user's own: the two functions that it consists of, and what formats make of the second.

Handler authors enter; formats call it, producers what encodes. Nothing here knows a format, a message or a
route.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Codec:
    """Bytes to a value of the handler's type, and a value to bytes.

    An exception of `decode` says that the bytes are bad: their message is dead at once, or skipped by
    `on_bad`.
    """

    decode: Callable[[bytes, Any], Any]
    """Called with the value's bytes and with the handler's annotation, without its `| None`."""
    encode: Callable[[Any], bytes]
    """Called with what a producer is given."""


Encode = Callable[[object, str], bytes]
"""A value for a topic, as bytes."""


@dataclass(frozen=True, slots=True)
class ByValue:
    """An Encode that goes by the value alone."""

    encode: Callable[[Any], bytes]
    """PERF: who sends very much calls this one."""

    def __call__(self, value: object, _topic: str) -> bytes:
        return self.encode(value)
