"""One dead message as people and programs see it: the shape that product.md fixes.

The dead set makes entries, the command line and the admin show them. The value is shown as what it is (JSON,
text, or base64) and never changed.
"""

import base64
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from ringmain.queues.envelope import UNREADABLE, Envelope

ValueEncoding = Literal["json", "utf-8", "base64"]
_LAST_MS = 253_402_300_799_000
"""The last second of the year 9999."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A dead message; in key and headers bytes that are no text are `{"base64": …}`."""

    id: str
    message_id: str
    route: str
    channel: str
    topic: str
    partition: int
    offset: int
    key: str | dict[str, str] | None
    headers: list[tuple[str, str | dict[str, str] | None]]
    timestamp_ms: int
    attempt: int
    error_class: str
    error_message: str
    traceback: str
    first_failed_at: str
    dead_at: str
    node: str
    value: Any
    value_encoding: ValueEncoding
    value_withheld_bytes: int = 0
    crashes: int = 0
    replayed: bool = False


def make(entry_id: str, route: str, channel: str, envelope: Envelope) -> Entry:
    """The entry of a dead envelope."""
    value, encoding = shown_value(envelope.value)
    return Entry(
        id=entry_id,
        message_id=envelope.message_id,
        route=route,
        channel=channel,
        topic=envelope.topic,
        partition=envelope.partition,
        offset=envelope.offset,
        key=shown_bytes(envelope.key),
        headers=[(name, shown_bytes(content)) for name, content in envelope.headers],
        timestamp_ms=envelope.timestamp_ms,
        attempt=envelope.attempt,
        error_class=envelope.error_class,
        error_message=envelope.error_message,
        traceback=envelope.traceback,
        first_failed_at=iso(envelope.first_failed_ms),
        dead_at=iso(envelope.failed_ms),
        node=envelope.node,
        value=value,
        value_encoding=encoding,
        value_withheld_bytes=envelope.withheld_bytes,
        crashes=envelope.crashes,
        replayed=envelope.replayed,
    )


def iso(wall_ms: int) -> str:
    """ISO 8601 in UTC with milliseconds, as the filters `--since` and `--until` read it back.

    A time that no calendar has (anybody may publish into a queue) is the first or the last that one has.
    """
    moment = datetime.fromtimestamp(min(max(wall_ms, 0), _LAST_MS) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shown_value(value: bytes | None) -> tuple[Any, ValueEncoding]:
    """The value and how to read it: JSON as its own bytes, text, else base64; a tombstone is JSON's null."""
    if value is None:
        return None, "json"
    text = _text(value)
    if text is None:
        return base64.b64encode(value).decode(), "base64"
    return (msgspec.Raw(value), "json") if is_json(value) else (text, "utf-8")


def shown_bytes(content: bytes | None) -> str | dict[str, str] | None:
    """Text as text, anything else so that it cannot be mistaken for text."""
    if content is None:
        return None
    text = _text(content)
    return text if text is not None else {"base64": base64.b64encode(content).decode()}


def is_json(value: bytes) -> bool:
    """Is it one whole JSON document?"""
    try:
        value.decode()
        msgspec.json.decode(value, type=msgspec.Raw)
        return True
    except UNREADABLE:
        return False


def _text(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
