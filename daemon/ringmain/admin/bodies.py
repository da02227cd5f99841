"""What a POST carries: read within its limit, decoded strictly, refused with the place of what is wrong.

The responder enters. An empty body is an empty object.
"""

from typing import Annotated, Any, TypeVar

import falcon
import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from ringmain.control import Source

MOST_BYTES = 16 << 20
Body = TypeVar("Body")
Text = Annotated[str, Meta(max_length=1000)]
Name = Annotated[str, Meta(max_length=249)]
Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Number = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]
MOMENT = r"^\s*\d+(\.\d+)?\s*(s|m|h|d|w)\s*$|^\d{4}-"
Moment = Annotated[str, Meta(max_length=64, description="ISO 8601, or how long ago: 30s, 15m, 2h, 7d")]
Condition = Annotated[str, Meta(max_length=1000, pattern="^[^=.]+(\\.[^=.]+)*=", description="path=value")]


class Fields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all bodies."""

    operator: Text = ""
    """Who asks, for the log."""


class PauseBody(Fields, frozen=True, kw_only=True):
    """What of the route; everything of it when nothing is said."""

    topic: Name = ""
    partition: Number | None = None
    source: Source = ""
    node: Name = ""
    reason: Text = ""


class ResumeBody(Fields, frozen=True, kw_only=True):
    """The end of the pause with the same fields."""

    topic: Name = ""
    partition: Number | None = None
    source: Source = ""
    node: Name = ""


class SeekBody(Fields, frozen=True, kw_only=True):
    """Where to read on."""

    partition: Number
    to: Annotated[str, Meta(max_length=64, description="an offset, a time (ISO 8601), earliest or latest")]
    topic: Name = ""


class ScaleBody(Fields, frozen=True, kw_only=True):
    """How many handler processes."""

    handlers: Annotated[int, Meta(ge=1, le=1000)]


class RecycleBody(Fields, frozen=True, kw_only=True):
    """Of which pool; all when it is empty."""

    pool: Name = ""


class ReloadBody(Fields, frozen=True, kw_only=True):
    """`dry_run` only says what would change."""

    dry_run: bool = False


class StopBody(Fields, frozen=True, kw_only=True):
    """`now` = at once."""

    now: bool = False


class FilterBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which dead messages: all conditions must hold."""

    id: list[Text] = []
    route: Name | None = None
    channel: Name | None = None
    topic: Name | None = None
    partition: Annotated[int, Meta(ge=-1, le=(1 << 31) - 1)] | None = None
    error: Text | None = None
    text: Text | None = None
    key: Text | None = None
    where: list[Condition] = []
    since: Moment | None = None
    until: Moment | None = None


class BulkBody(Fields, frozen=True, kw_only=True):
    """Which, by `ids` or `filter` or `all`, and how fast."""

    ids: list[Text] = []
    filter: FilterBody | None = None
    all: bool = False
    limit: Count | None = None
    rate: Annotated[float, Meta(gt=0, le=1e9)] | None = None
    dry_run: bool = False


class ReplayBody(BulkBody, frozen=True, kw_only=True):
    """The same; `value` goes out in the place of the only one's own, a null as a tombstone."""

    topic: Name = ""
    max_failed: Count | None = None
    value: Raw | UnsetType = UNSET
    value_encoding: Annotated[str, Meta(pattern="^(json|utf-8|base64)$")] = "json"


def read(req: falcon.Request, kind: type[Body]) -> Body:
    """The body as this type."""
    raw = _raw(req)
    if raw.strip() and "json" not in (req.content_type or ""):
        raise falcon.HTTPUnsupportedMediaType(description="a body is application/json")
    try:
        return msgspec.json.decode(raw if raw.strip() else b"{}", type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise falcon.HTTPBadRequest(description=f"the body does not fit: {error}") from None


def _raw(req: falcon.Request) -> bytes:
    length = req.content_length
    if length is not None and length > MOST_BYTES:
        raise _too_large()
    stream: Any = req.stream
    if length is None and "chunked" not in (req.get_header("Transfer-Encoding") or "").lower():
        return b""
    raw: bytes = stream.read(MOST_BYTES + 1 if length is None else length)
    if len(raw) > MOST_BYTES:
        raise _too_large()
    if length is not None and len(raw) < length:
        raise falcon.HTTPBadRequest(description="the body ended before its length")
    return raw


def _too_large() -> falcon.HTTPError:
    return falcon.HTTPContentTooLarge(description=f"a body has at most {MOST_BYTES} bytes")
