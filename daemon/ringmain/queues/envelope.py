"""A message on its way through the queues: the Kafka value unchanged, and all that is known about it.

The courier makes envelopes, queue feeders open them, the dead set shows them. Field names are those of the
`x-ringmain-…` headers with `_` for `-`. Nothing here knows how a backend stores one.
"""

import msgspec

from ringmain.verdict import cut_middle

TRACEBACK_BYTES = 4096

Headers = list[tuple[str, bytes | None]]

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding foreign bytes raises; msgspec lets a text's own UTF-8 errors through as they are."""


class Envelope(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One message with its origin and its history. New fields go to the end: stored ones must still open."""

    value: bytes | None
    key: bytes | None
    headers: Headers
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    attempt: int = 1
    """Calls so far in a dead entry; the number of the next call in a retry."""
    crashes: int = 0
    first_failed_ms: int = 0
    failed_ms: int = 0
    error_class: str = ""
    error_message: str = ""
    traceback: str = ""
    node: str = ""
    replayed: bool = False
    withheld_bytes: int = 0
    """Not 0: the value had this length, above the queues' own limit, and is not here."""

    @property
    def message_id(self) -> str:
        """`topic:partition:offset`, the same on every redelivery."""
        return f"{self.topic}:{self.partition}:{self.offset}"


class Meta(msgspec.Struct, frozen=True, array_like=True):
    """What travels in a redelivered message's ring slot beside what the slot itself holds."""

    first_failed_ms: int = 0
    replayed: bool = False


class Packed(msgspec.Struct, frozen=True):
    """A frame: many messages of one route in one body (frames.py), one delivery for a backend."""

    body: bytes
    messages: int


class Foreign(msgspec.Struct, frozen=True):
    """A delivery that is none of ours, or damaged: it goes to the dead set as it is, with the reason."""

    body: bytes
    headers: Headers
    reason: str


_encoder = msgspec.msgpack.Encoder()
_envelope_decoder = msgspec.msgpack.Decoder(Envelope)
_meta_decoder = msgspec.msgpack.Decoder(Meta)


def encode(envelope: Envelope) -> bytes:
    """The envelope as msgpack: how a backend without headers of its own stores it."""
    return _encoder.encode(envelope)


def decode(data: bytes) -> Envelope:
    """The envelope back; one of UNREADABLE when the bytes are not one."""
    return _envelope_decoder.decode(data)


def encode_meta(meta: Meta) -> bytes:
    """The bytes for a slot's meta; b"" when there is nothing to carry."""
    return b"" if meta == Meta() else _encoder.encode(meta)


def decode_meta(data: bytes) -> Meta:
    """The meta back; a message straight from Kafka has none."""
    return _meta_decoder.decode(data) if data else Meta()


def meta_of(envelope: Envelope) -> Meta:
    """What a queue feeder puts into the slot of a message that it took."""
    return Meta(envelope.first_failed_ms, envelope.replayed)


def cut_traceback(traceback: str) -> str:
    """Its beginning and its end, in 4 KiB."""
    return cut_middle(traceback, TRACEBACK_BYTES)


def withhold(envelope: Envelope, limit_bytes: int) -> Envelope:
    """The envelope itself, or without its value when that is above what the queues can hold."""
    if envelope.value is None or len(envelope.value) <= limit_bytes:
        return envelope
    note = (
        f"[the value of {len(envelope.value)} bytes is above the queues' limit of {limit_bytes} and not kept]"
    )
    return msgspec.structs.replace(
        envelope,
        value=None,
        withheld_bytes=len(envelope.value),
        error_message=f"{envelope.error_message} {note}".strip(),
    )
