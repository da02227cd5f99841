"""What became of a message, as numbers for shared memory and as a small record for whoever carries it on.

The handler writes it, the feeder and the courier read it; `_fastpath` uses the same numbers. Never the
payload: a failure names the error, not the message.
"""

import msgspec

DONE = 1
SKIP = 2
RETRY = 3
DEAD = 4
CHANNEL = 5
PAUSE = 6
RETURNED = 7
OVERFLOW = 8
"""Nobody executed it: the ring was full for too long, so it comes again by the queues."""

PAGE_BYTES = 4088
_CLASS_CHARS = 200
_TRACEBACK_BYTES = 1024  # what a long message leaves to the traceback
_CUT = "\n… {} characters cut …\n"


class Failure(msgspec.Struct, frozen=True, array_like=True):
    """Why a message was not done; `delay_s` None means by policy, for a pause it is the pause's length."""

    delay_s: float | None = None
    error_class: str = ""
    error_message: str = ""
    traceback: str = ""
    counted: bool = True
    channel: str = ""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Failure)


def encode(failure: Failure) -> bytes:
    """The record for a slot's verdict page: at most PAGE_BYTES; the traceback is cut first."""
    try:
        data = _encoder.encode(failure)
    except UnicodeEncodeError:  # a lone surrogate, e.g. from a file name in the error's text
        failure = _printable(failure)
        data = _encoder.encode(failure)
    if len(data) <= PAGE_BYTES:
        return data
    return _encoder.encode(_fitting(failure))


def decode(data: bytes) -> Failure:
    """The record back; no bytes at all is a failure that nobody described."""
    return _decoder.decode(data) if data else Failure()


def to_channel(channel: str) -> Failure:
    """No failure: where a message goes on. Its name is the text of one that is too large for the queues."""
    return Failure(error_class="To", error_message=channel, channel=channel)


def cut_middle(text: str, limit_bytes: int) -> str:
    """The beginning and the end of `text` in at most `limit_bytes` of UTF-8, saying how much is missing."""
    raw = text.encode()
    if len(raw) <= limit_bytes:
        return text
    note = _CUT.format(len(text))
    room = limit_bytes - len(note.encode())
    if room <= 0:
        return raw[: max(limit_bytes, 0)].decode(errors="ignore")
    head, tail = raw[: room // 3].decode(errors="ignore"), raw[-(room - room // 3) :].decode(errors="ignore")
    return head + _CUT.format(len(text) - len(head) - len(tail)) + tail


def _printable(failure: Failure) -> Failure:
    texts = ("error_class", "error_message", "traceback", "channel")
    clean = {name: getattr(failure, name).encode(errors="backslashreplace").decode() for name in texts}
    return msgspec.structs.replace(failure, **clean)


def _fitting(failure: Failure) -> Failure:
    failure = msgspec.structs.replace(
        failure,
        error_class=cut_middle(failure.error_class, _CLASS_CHARS),
        channel=cut_middle(failure.channel, _CLASS_CHARS),
    )
    for name, kept_bytes in (("traceback", _TRACEBACK_BYTES), ("error_message", 0)):
        over = len(_encoder.encode(failure)) - PAGE_BYTES
        text = getattr(failure, name)
        if over > 0:
            room = max(len(text.encode()) - over, kept_bytes)
            failure = msgspec.structs.replace(failure, **{name: cut_middle(text, room)})
    return failure
