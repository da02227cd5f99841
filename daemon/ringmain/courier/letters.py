"""What a parcel becomes: a queue's name and an envelope. Pure.

The courier's loop enters. Every parcel becomes a letter, whatever its bytes say: one that cannot be
understood goes to the dead set with the reason. LOSS: an exception here would kill the courier for ever.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from ringmain import retry, verdict
from ringmain.queues import frames, names
from ringmain.queues.envelope import (
    UNREADABLE,
    Envelope,
    Headers,
    Meta,
    Packed,
    cut_traceback,
    decode_meta,
    withhold,
)
from ringmain.verdict import Failure

__all__ = ["Bundle", "Desk", "Frame", "Letter", "Parcel", "bundle", "opened", "refused", "write"]


class Parcel(Protocol):
    """A verdict with its message, as the ring's courier side hands it out."""

    @property
    def verdict(self) -> int: ...
    @property
    def detail(self) -> bytes: ...
    @property
    def meta(self) -> bytes: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp_ms(self) -> int: ...
    @property
    def attempt(self) -> int: ...
    @property
    def crashes(self) -> int: ...
    @property
    def first_failed_ms(self) -> int: ...


class Frame(Protocol):
    """Many messages that overflowed, packed by the ring's courier side."""

    @property
    def body(self) -> bytes: ...
    @property
    def messages(self) -> int: ...


class Letter(NamedTuple):
    """A message and where it goes."""

    queue: str
    envelope: Envelope


class Bundle(NamedTuple):
    """A frame and where it goes."""

    queue: str
    packed: Packed


@dataclass(frozen=True, slots=True)
class Desk:
    """What is known of one pool when its letters are written."""

    app: str
    route: str
    node: str
    policy: retry.Policy
    limit_bytes: int
    channel: str = ""
    """Whose letters these are; empty = the route's own."""
    channels: Collection[str] = ()
    """The channels of the route."""


def write(desk: Desk, parcel: Parcel, now_ms: int) -> Letter:
    """The parcel's letter: to a delay queue, a channel, or the dead set."""
    meta, failure = _meta(parcel), _failure(parcel)
    kind, failure = _decided(desk, parcel, failure)
    if kind == verdict.CHANNEL:
        return Letter(names.ready(desk.app, desk.route, failure.channel), _forwarded(parcel, meta))
    failed = _failed(desk, parcel, failure, now_ms)
    if kind == verdict.RETRY:
        step = retry.round_up(failure.delay_s or 0.0)
        counted = msgspec.structs.replace(failed, attempt=parcel.attempt + failure.counted)
        return Letter(names.delay(desk.app, desk.route, step, desk.channel), counted)
    return Letter(names.dead(desk.app, desk.route, desk.channel), withhold(failed, desk.limit_bytes))


def bundle(desk: Desk, frame: Frame) -> Bundle:
    """To the overflow queue, as it was packed."""
    return Bundle(names.overflow(desk.app, desk.route), Packed(frame.body, frame.messages))


def opened(refused: Bundle) -> list[Letter]:
    """What is left of a frame that the queues will never take: each message for itself to the ready queue."""
    place = names.parse(refused.queue)
    queue = names.ready(place.app, place.route)
    return [Letter(queue, envelope) for envelope in frames.unpack(refused.packed.body)]


def refused(desk: Desk, letter: Letter, reason: str, now_ms: int) -> Letter:
    """What is left when the queues will never take a letter as it is: a dead entry without the value.

    LOSS: without key and headers where there was no value to leave out, or it would be refused for ever.
    """
    place, sent = names.parse(letter.queue), letter.envelope
    if not sent.value:
        sent = msgspec.structs.replace(sent, key=None, headers=[])
    bare = msgspec.structs.replace(
        withhold(sent, 0),
        first_failed_ms=sent.first_failed_ms or now_ms,
        failed_ms=now_ms,
        node=desk.node,
        error_class=sent.error_class or "Refused",
        error_message=f"{sent.error_message} [the queues refused the message: {reason}]".strip(),
    )
    return Letter(names.dead(place.app, place.route, place.channel), bare)


def _decided(desk: Desk, parcel: Parcel, failure: Failure) -> tuple[int, Failure]:
    """RETRY, CHANNEL or DEAD. What is too large to be kept whole cannot come back: it is dead at once."""
    too_large = parcel.value is not None and len(parcel.value) > desk.limit_bytes
    if parcel.verdict in (verdict.RETRY, verdict.CHANNEL) and too_large:
        return verdict.DEAD, failure
    if parcel.verdict == verdict.RETRY:
        return retry.decide(desk.policy, parcel.attempt, failure)
    if parcel.verdict == verdict.CHANNEL and failure.channel in desk.channels:
        return verdict.CHANNEL, failure
    if parcel.verdict == verdict.DEAD:
        return verdict.DEAD, failure
    return verdict.DEAD, _undeliverable(desk, parcel, failure)


def _undeliverable(desk: Desk, parcel: Parcel, failure: Failure) -> Failure:
    """LOSS: nobody takes from the queue of a channel that the config does not know."""
    if parcel.verdict == verdict.CHANNEL and failure.channel:
        note = f"route {desk.route!r} has no channel {failure.channel!r}"
        return msgspec.structs.replace(failure, error_class="UnknownChannel", error_message=note)
    note = f"verdict {parcel.verdict} is not for the queues"
    return msgspec.structs.replace(failure, error_class="UnknownVerdict", error_message=note)


def _failed(desk: Desk, parcel: Parcel, failure: Failure, now_ms: int) -> Envelope:
    meta = _meta(parcel)
    return msgspec.structs.replace(
        _forwarded(parcel, meta),
        attempt=parcel.attempt,
        crashes=parcel.crashes,
        first_failed_ms=meta.first_failed_ms or parcel.first_failed_ms or now_ms,
        failed_ms=now_ms,
        error_class=failure.error_class,
        error_message=failure.error_message,
        traceback=cut_traceback(failure.traceback),
        node=desk.node,
    )


def _forwarded(parcel: Parcel, meta: Meta) -> Envelope:
    """To another handler: its first attempt, nothing has failed there."""
    return Envelope(
        value=parcel.value,
        key=parcel.key,
        headers=_encodable(parcel.headers),
        topic=parcel.topic,
        partition=parcel.partition,
        offset=parcel.offset,
        timestamp_ms=parcel.timestamp_ms,
        replayed=meta.replayed,
    )


def _meta(parcel: Parcel) -> Meta:
    try:
        return decode_meta(parcel.meta)
    except UNREADABLE:
        return Meta()


def _failure(parcel: Parcel) -> Failure:
    try:
        return verdict.decode(parcel.detail)
    except UNREADABLE as error:
        return Failure(error_class="UnreadableVerdict", error_message=str(error))


def _encodable(headers: Headers) -> Headers:
    """Kafka's header names are bytes; what is no UTF-8 in one is escaped, for queues only know text."""
    return [(_printable(name), content) for name, content in headers]


def _printable(name: str) -> str:
    return name if name.isascii() else name.encode(errors="backslashreplace").decode()
