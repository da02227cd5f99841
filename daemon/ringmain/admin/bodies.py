"""What a POST carries: read within its limit, decoded strictly, refused with the place of what is wrong.

The responder enters. An empty body is an empty object.
"""

from typing import Annotated, Any, TypeVar

import falcon
import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from ringmain.control import Source
from ringmain.queues.entry import ValueEncoding

MOST_BYTES = 16 << 20
Body = TypeVar("Body")
Text = Annotated[str, Meta(max_length=1000)]
Name = Annotated[str, Meta(max_length=249)]
Some = Annotated[list[Text], Meta(min_length=1, max_length=100_000)]
Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Number = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]
MOMENT = (
    r"^([1-9][0-9]{0,3}(s|m|h|d)|20[0-9][0-9]-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
    r"(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)?)$"
)
"""What the document promises; more spellings are understood."""
Moment = Annotated[
    str,
    Meta(
        max_length=64,
        description="ISO 8601, or how long ago: 30s, 15m, 2h, 7d",
        extra_json_schema={"pattern": MOMENT},
    ),
]
Condition = Annotated[
    str, Meta(max_length=1000, pattern=r"^[^=.]+(\.[^=.]+)*=", description="path=value over the JSON value")
]


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

    id: Some | UnsetType = UNSET
    route: Name | UnsetType = UNSET
    channel: Name | UnsetType = UNSET
    topic: Name | UnsetType = UNSET
    partition: Annotated[int, Meta(ge=-1, le=(1 << 31) - 1)] | UnsetType = UNSET
    error: Text | UnsetType = UNSET
    text: Text | UnsetType = UNSET
    key: Text | UnsetType = UNSET
    where: Annotated[list[Condition], Meta(min_length=1)] | UnsetType = UNSET
    since: Moment | UnsetType = UNSET
    until: Moment | UnsetType = UNSET


class BulkBody(Fields, frozen=True, kw_only=True):
    """Which, by `ids`, `filter` or `all`, and how fast."""

    ids: Some | UnsetType = UNSET
    filter: FilterBody | UnsetType = UNSET
    all: bool = False
    limit: Count | None = None
    rate: Annotated[float, Meta(gt=0, le=1e9)] | None = None
    dry_run: bool = False


class ReplayBody(BulkBody, frozen=True, kw_only=True):
    """The same; `value` goes out in the place of the only one's own, a null as a tombstone."""

    topic: Name = ""
    max_failed: Count | None = None
    value: Raw | UnsetType = UNSET
    value_encoding: ValueEncoding = "json"


def read(req: falcon.Request, kind: type[Body]) -> Body:
    """The body as this type."""
    raw = _raw(req)
    if raw.strip() and "json" not in (req.content_type or ""):
        raise falcon.HTTPUnsupportedMediaType(description="a body is application/json")
    try:
        fields = msgspec.json.decode(raw if raw.strip() else b"{}", type=dict[str, Raw])
        return msgspec.convert({name: _plain(name, value) for name, value in fields.items()}, kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise falcon.HTTPBadRequest(description=f"the body does not fit: {error}") from None


def _plain(name: str, value: Raw) -> Any:
    """A value of a message stays as it is written; elsewhere 3.0 is 3: JSON has one kind of number."""
    return value if name == "value" else _whole(msgspec.json.decode(value))


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


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
