"""Which dead messages are meant: the filters of the command line and the admin, the same for every backend.

A backend may answer a part of a filter from its indexes; `matches` is what each of them must agree with.
Nothing here reads a clock: relative times are resolved by whoever asks.
"""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from ringmain.queues.envelope import UNREADABLE, Envelope

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)")
_SPAN_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}

_YEAR_10000_MS = 253_402_300_800_000


class Where(msgspec.Struct, frozen=True):
    """`path=value` over a JSON value: `customer.id=7`, `items.0.sku=A1`."""

    path: tuple[str, ...]
    value: str


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """All conditions must hold, an absent one always does; of several ids any, of several `where` all."""

    ids: tuple[str, ...] = ()
    route: str | None = None
    channel: str | None = None
    topic: str | None = None
    partition: int | None = None
    error: str | None = None
    text: str | None = None
    key: bytes | None = None
    where: tuple[Where, ...] = ()
    since_ms: int | None = None
    until_ms: int | None = None

    @property
    def reads_content(self) -> bool:
        """Does it need more than an index of the dead set holds?"""
        return self.text is not None or bool(self.where)


def parse_where(text: str) -> Where:
    """`path=value`; ValueError says what is missing."""
    path, sign, value = text.partition("=")
    if not sign or not path or not all(path.split(".")):
        raise ValueError(f"{text!r} is not path=value, e.g. customer.id=7")
    return Where(tuple(path.split(".")), value)


def parse_time_ms(text: str, now_ms: int) -> int:
    """ISO 8601 (without a zone: UTC), or how long ago: 30s, 15m, 2h, 7d. ValueError for what is neither."""
    span = _SPAN.fullmatch(text.strip())
    moment_ms = now_ms - float(span[1]) * _SPAN_MS[span[2]] if span else _iso_ms(text)
    if not 0 <= moment_ms < _YEAR_10000_MS:
        raise ValueError(f"{text!r} is before 1970 or after 9999")
    return int(moment_ms)


def _iso_ms(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is neither ISO 8601 (2026-01-31T12:00:00Z) nor a span (2h)") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000


def matches(chosen: Filter, route: str, channel: str, envelope: Envelope) -> bool:
    """Does this dead message pass? The id is the backend's own and compared there.

    LOSS: one that does not say when it died is of no age, and so never too old.
    """
    return (
        (chosen.route is None or chosen.route == route)
        and (chosen.channel is None or chosen.channel == channel)
        and (chosen.topic is None or chosen.topic == envelope.topic)
        and (chosen.partition is None or chosen.partition == envelope.partition)
        and (chosen.error is None or _is_class(envelope.error_class, chosen.error))
        and (chosen.key is None or chosen.key == envelope.key)
        and (chosen.since_ms is None or envelope.failed_ms >= chosen.since_ms)
        and (chosen.until_ms is None or 0 < envelope.failed_ms < chosen.until_ms)
        and matches_content(chosen, envelope)
    )


def matches_content(chosen: Filter, envelope: Envelope) -> bool:
    """The conditions that read the message itself."""
    if chosen.text is not None and not _holds(envelope, chosen.text):
        return False
    return not chosen.where or _is_where(envelope.value, chosen.where)


def short_class(error_class: str) -> str:
    """`KeyError` of `builtins.KeyError`, `Declined` of `shop.errors.Declined`."""
    return error_class.rpartition(".")[2]


def asked_class(error: str) -> str:
    """The class as it is kept: one of Python's own has no module there, whatever is said elsewhere."""
    return error.removeprefix("builtins.")


def _is_class(error_class: str, asked: str) -> bool:
    return asked_class(asked) in (error_class, short_class(error_class))


def _holds(envelope: Envelope, text: str) -> bool:
    if text in envelope.error_message or text in envelope.traceback or text in envelope.error_class:
        return True
    needle = text.encode(errors="surrogateescape")
    parts = [envelope.value, envelope.key, *(content for _, content in envelope.headers)]
    return any(part is not None and needle in part for part in parts)


def _is_where(value: bytes | None, conditions: tuple[Where, ...]) -> bool:
    try:
        document = msgspec.json.decode(value or b"")
    except UNREADABLE:
        return False
    return all(condition.value in _spellings(_at(document, condition.path)) for condition in conditions)


_MISSING = object()


def _at(document: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        if isinstance(document, dict) and step in document:
            document = document[step]
        elif isinstance(document, list) and step.isdecimal() and int(step) < len(document):
            document = document[int(step)]
        else:
            return _MISSING
    return document


def _spellings(found: Any) -> tuple[str, ...]:
    """How a person may write what stands there: a string bare or quoted, anything else as JSON."""
    if found is _MISSING:
        return ()
    written = msgspec.json.encode(found).decode()
    return (found, written) if isinstance(found, str) else (written,)
