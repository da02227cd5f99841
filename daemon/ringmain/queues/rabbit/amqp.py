"""AMQP 0-9-1 on the wire: bytes in, events out; methods and messages in, bytes out.

connection.py feeds it what came and sends what it makes. Methods that come or go by the thousand (publish,
deliver, ack) are read and written here; all others by pika's own spec and frame classes, unchanged.
PERF: with pika's frame objects a publish costs 22 us and a delivery 60; here 1 and 3.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Any, NamedTuple

from pika import frame, spec

Method = Any
"""One of pika.spec's methods, e.g. spec.Queue.DeclareOk; pika has no types of its own to name them by."""


class Delivered(NamedTuple):
    """A message for one of our consumers; `tag` counts per channel and per opening of it."""

    channel: int
    consumer: bytes
    tag: int
    redelivered: bool
    properties: bytes
    """As fields.read takes them: the flags and what they announce."""
    body: bytes


class Confirm(NamedTuple):
    """The broker's word on what we published up to `tag` (or on that one): safe, or refused (nack)."""

    channel: int
    tag: int
    multiple: bool
    safe: bool


class Returned(NamedTuple):
    """A mandatory message for a queue that is not there came back; a confirm follows as if all were well."""

    channel: int
    queue: str


class Reply(NamedTuple):
    """Any other method of the broker's: an answer, or news such as Basic.Cancel and Channel.Close."""

    channel: int
    method: Method


Event = Delivered | Confirm | Returned | Reply

PROTOCOL_HEADER = frame.ProtocolHeader().marshal()
HEARTBEAT = frame.Heartbeat().marshal()

_FRAME = Struct(">BHI")
_U32 = Struct(">I")
_U64 = Struct(">Q")
_TAG_AND_BITS = Struct(">QB")
_CONTENT = Struct(">BHIHHQ")
_ACK = Struct(">BHIIQBB")
_END = bytes([spec.FRAME_END])
_FRAME_HEAD_BYTES = 7
_FRAME_BYTES = 8
_BASIC = spec.BasicProperties.INDEX
_DELIVER, _RETURN = spec.Basic.Deliver.INDEX, spec.Basic.Return.INDEX
_ACK_INDEX, _NACK_INDEX = spec.Basic.Ack.INDEX, spec.Basic.Nack.INDEX
_PUBLISH = Struct(">IH")
_MANDATORY = 1


class Content:
    """A message under way: its method, then its header, then its body in pieces."""

    __slots__ = ("left", "pieces", "properties", "what")

    def __init__(self, what: tuple[Any, ...]) -> None:
        self.what = what
        self.properties = b""
        self.pieces: list[bytes] = []
        self.left = 0

    def event(self, channel: int) -> Event:
        """What all of it comes to."""
        if len(self.what) == 1:
            return Returned(channel, self.what[0])
        body = self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)
        consumer, tag, redelivered = self.what
        return Delivered(channel, consumer, tag, redelivered, self.properties, body)


class Reader:
    """One connection's incoming bytes. What is no AMQP raises ValueError, or what pika's decoder raises."""

    def __init__(self) -> None:
        self._rest = b""
        self._contents: dict[int, Content] = {}

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete, in order; heartbeats are none."""
        if self._rest:
            data = self._rest + data
        events: list[Event] = []
        position, end = 0, len(data)
        while end - position >= _FRAME_BYTES:
            kind, channel, size = _FRAME.unpack_from(data, position)
            start = position + _FRAME_HEAD_BYTES
            stop = start + size
            if kind not in (1, 2, 3, 8):
                raise ValueError("what answers there does not speak AMQP 0-9-1")
            if stop >= end:
                break
            if kind == 1:
                self._method(events, channel, data, start, stop)
            elif kind == 2:
                self._header(events, channel, data, start, stop)
            elif kind == 3:
                self._body(events, channel, data[start:stop])
            position = stop + 1
        self._rest = data[position:]
        return events

    def _method(self, events: list[Event], channel: int, *where: Any) -> None:
        data, start, stop = where
        index = _U32.unpack_from(data, start)[0]
        if index == _DELIVER:
            after = start + 5 + data[start + 4]
            tag, bits = _TAG_AND_BITS.unpack_from(data, after)
            self._contents[channel] = Content((data[start + 5 : after], tag, bool(bits & 1)))
        elif index in (_ACK_INDEX, _NACK_INDEX):
            tag, bits = _TAG_AND_BITS.unpack_from(data, start + 4)
            events.append(Confirm(channel, tag, bool(bits & 1), index == _ACK_INDEX))
        else:
            whole = data[start - _FRAME_HEAD_BYTES : stop + 1]
            method = frame.decode_frame(whole)[1].method
            if index == _RETURN:
                self._contents[channel] = Content((method.routing_key,))
            else:
                events.append(Reply(channel, method))

    def _header(self, events: list[Event], channel: int, *where: Any) -> None:
        data, start, stop = where
        content = self._contents[channel]
        content.left = _U64.unpack_from(data, start + 4)[0]
        content.properties = data[start + 12 : stop]
        if content.left == 0:
            events.append(self._contents.pop(channel).event(channel))

    def _body(self, events: list[Event], channel: int, piece: bytes) -> None:
        content = self._contents[channel]
        content.pieces.append(piece)
        content.left -= len(piece)
        if content.left <= 0:
            events.append(self._contents.pop(channel).event(channel))


def method(channel: int, method: Method) -> bytes:
    """The frame of a method of pika's spec."""
    return bytes(frame.Method(channel, method).marshal())


def publish_method(channel: int, queue: str) -> bytes:
    """The frame that begins a mandatory message for `queue`: always the same, so it is made once a queue."""
    name = queue.encode()
    # Reserved word, default exchange, routing key, bits.
    payload = _PUBLISH.pack(spec.Basic.Publish.INDEX, 0) + b"\x00" + bytes([len(name)]) + name
    return _framed(spec.FRAME_METHOD, channel, payload + bytes([_MANDATORY]))


def content(channel: int, properties: bytes, body: bytes, frame_bytes: int) -> Sequence[bytes]:
    """The header and body frames that follow a publish, in pieces to be joined."""
    size = len(body)
    head = _CONTENT.pack(spec.FRAME_HEADER, channel, 12 + len(properties), _BASIC, 0, size)
    if 0 < size <= frame_bytes - _FRAME_BYTES:
        return (head, properties, _END, _FRAME.pack(spec.FRAME_BODY, channel, size), body, _END)
    pieces = [head, properties, _END]
    step = frame_bytes - _FRAME_BYTES
    for begin in range(0, size, step):
        piece = body[begin : begin + step]
        pieces += (_FRAME.pack(spec.FRAME_BODY, channel, len(piece)), piece, _END)
    return pieces


def ack(channel: int, tag: int, multiple: bool) -> bytes:
    """A delivery's ack, or that of all up to it: the tag must be one that is not acked yet."""
    return _ACK.pack(spec.FRAME_METHOD, channel, 13, _ACK_INDEX, tag, multiple, spec.FRAME_END)


def give_back(channel: int, tag: int) -> bytes:
    """A delivery goes back into its queue."""
    requeue = 2
    return _ACK.pack(spec.FRAME_METHOD, channel, 13, _NACK_INDEX, tag, requeue, spec.FRAME_END)


def _framed(kind: int, channel: int, payload: bytes) -> bytes:
    return _FRAME.pack(kind, channel, len(payload)) + payload + _END
