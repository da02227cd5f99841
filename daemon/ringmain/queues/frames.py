"""Frames: many messages of one route in one body, as they stand in its overflow queue.

A frame is a msgpack array of envelopes, each cut after the fields that a message straight from Kafka has:
[value, key, headers, topic, partition, offset, timestamp_ms], headers = [[name, value], ...]. The courier's
are packed in compiled code (CourierSide.take_frame); queue feeders and those who look into queues enter here.
"""

from collections.abc import Sequence

import msgspec

from ringmain.queues.envelope import Envelope, Packed

MESSAGES = 500
"""The most in one frame: what a worker that dies repeats."""
FRAME_BYTES = 1 << 20
"""The most in one frame; a larger message never goes by one."""
CONTENT_TYPE = "application/x-ringmain-frame"

_FIELDS = 7
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Envelope])


def pack(envelopes: Sequence[Envelope]) -> Packed:
    """The frame of these messages; what an envelope knows beyond the fields of a frame is left out."""
    rows = [msgspec.structs.astuple(envelope)[:_FIELDS] for envelope in envelopes]
    return Packed(_encoder.encode(rows), len(rows))


def unpack(body: bytes) -> list[Envelope]:
    """The messages of a frame, each at its first attempt; one of UNREADABLE when the body is not a frame."""
    return _decoder.decode(body)


def count(body: bytes) -> int:
    """How many messages a frame says that it holds, without opening it; 0 for what is no frame."""
    kind = body[0] if body else 0
    if kind & 0xF0 == 0x90:
        return kind & 0x0F
    if kind == 0xDC:
        return int.from_bytes(body[1:3], "big")
    return 0
