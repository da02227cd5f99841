"""What the nodes of a name say to each other, as it travels: packed, read, and not believed any further.

neighbours.py enters. Anybody who may use the queues can put anything on the exchange: what is not one of
these words, or is about another name, is None here. Pure.
"""

from typing import Annotated

import msgspec

from ringmain import control
from ringmain.lifecycle import WORD_BYTES

_Short = Annotated[str, msgspec.Meta(max_length=255)]
_Url = Annotated[str, msgspec.Meta(max_length=2000)]
_Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 31) - 1)]
_Queue = Annotated[str, msgspec.Meta(max_length=1000)]
_Ticket = Annotated[int, msgspec.Meta(ge=0, le=(1 << 53))]

Shares = dict[_Short, dict[_Short, list[_Number]]]
"""Route -> topic -> partitions."""


Asked = control.Seek | control.Scale | control.Recycle
"""What an operator of one node may ask of another."""


class Sender(msgspec.Struct, frozen=True):
    """Who says it: `instance` is another one with each start of a supervisor."""

    name: _Short
    node: _Short
    instance: _Short


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """I am here: where to look, what I own, and which pauses I know of."""

    sender: Sender
    admin: _Url = ""
    partitions: Shares = {}
    pauses: bytes = b""
    queues: list[_Queue] = []
    """Queues that the courier there has used: they exist."""


class Farewell(msgspec.Struct, frozen=True, tag="farewell"):
    """I stop."""

    sender: Sender


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """Whoever this concerns, do it, and say so to the asker."""

    sender: Sender
    ticket: _Ticket
    request: Asked


class Tell(msgspec.Struct, frozen=True, tag="tell"):
    """The answer to one `Ask` of that instance."""

    sender: Sender
    to: _Short
    ticket: _Ticket
    reply: control.Done | control.Refused


Word = Hello | Farewell | Ask | Tell

_decoder: msgspec.msgpack.Decoder[Word] = msgspec.msgpack.Decoder(Word)


def written(word: Word) -> bytes | None:
    """As bytes; None when it is longer than anybody listens."""
    body = msgspec.msgpack.encode(word)
    return body if len(body) <= WORD_BYTES else None


def read(body: bytes, name: str) -> Word | None:
    """The word, if it is one and comes from a node of `name`."""
    try:
        word = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return word if word.sender.name == name else None


def shares(route: str, partitions: list[tuple[str, int]]) -> Shares:
    """A feeder's (topic, partition) pairs as they travel."""
    found: dict[str, list[int]] = {}
    for topic, partition in sorted(partitions):
        found.setdefault(topic, []).append(partition)
    return {route: found}


def added(one: Shares, more: Shares) -> Shares:
    """Both together."""
    both = {route: dict(topics) for route, topics in one.items()}
    for route, topics in more.items():
        ours = both.setdefault(route, {})
        for topic, partitions in topics.items():
            ours[topic] = sorted({*ours.get(topic, ()), *partitions})
    return both
