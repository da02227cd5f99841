"""The dead set as HTTP shows it: pages, counts, one entry.

endpoints.py names what is here. Each look opens the queues and lets them go; only so many look at once, so
that slow queues never take all threads. Nothing is changed here: that is works.py's.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import falcon
import msgspec
from msgspec import UNSET

from ringmain.admin.bodies import FilterBody
from ringmain.clerk.acting import stranger
from ringmain.clock import wall_ms
from ringmain.config.schema import Config
from ringmain.errors import QueuesAway
from ringmain.queues import filters
from ringmain.queues.connect import connect
from ringmain.queues.contract import AXES, Count, DeadSet
from ringmain.queues.entry import Entry, iso
from ringmain.queues.filters import Filter

LOOKERS = 3
PATIENCE_S = 10.0
LONGEST_CURSOR = 1000
LONGEST_LISTED_BYTES = 1 << 16
"""A larger value is shown with its entry alone."""
Found = TypeVar("Found")


class Entries(msgspec.Struct, frozen=True):
    """A page, oldest first; `cursor` leads to the next, null = there is none."""

    entries: list[Entry]
    cursor: str | None


class Counted(msgspec.Struct, frozen=True):
    """One row of a summary."""

    group: dict[str, str]
    messages: int
    oldest_at: str | None
    newest_at: str | None


class Summary(msgspec.Struct, frozen=True):
    """Counts by axes, largest first."""

    by: list[str]
    messages: int
    counts: list[Counted]


class DeadDesk:
    """Looks into the dead set, a few at a time."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._seats = threading.BoundedSemaphore(LOOKERS)

    def page(self, chosen: Filter, limit: int, cursor: str | None, brief: bool) -> Entries:
        """One page; with `brief` without values."""
        page = self._look(chosen, lambda dead_set: dead_set.page(chosen, limit, cursor))
        return Entries([_listed(entry, brief) for entry in page.entries], page.cursor)

    def summary(self, chosen: Filter, by: Sequence[str]) -> Summary:
        """Counts."""
        counts = self._look(chosen, lambda dead_set: dead_set.summary(chosen, by))
        total = sum(count.messages for count in counts)
        return Summary(list(by), total, [_counted(by, count) for count in counts])

    def entry(self, entry_id: str) -> Entry:
        """One, in full."""
        found = self._look(Filter(), lambda dead_set: dead_set.get(entry_id))
        if found is None:
            raise falcon.HTTPNotFound(description=f"there is no dead message {entry_id[:100]!r} (any more)")
        return found

    def _look(self, chosen: Filter, look: Callable[[DeadSet], Found]) -> Found:
        with self._seat(), closing(connect(self._config).dead_set()) as dead_set:
            if said := stranger(self._config, dead_set, chosen):
                raise falcon.HTTPNotFound(description=said)
            return look(dead_set)

    @contextmanager
    def _seat(self) -> Iterator[None]:
        if not self._seats.acquire(timeout=PATIENCE_S):
            raise QueuesAway("others are looking at the dead set; try again")
        try:
            yield
        finally:
            self._seats.release()


def filter_of_query(req: falcon.Request) -> Filter:
    """The filter that the address's query says."""
    said: dict[str, Any] = {}
    for name in FilterBody.__struct_fields__:
        values = req.get_param_as_list(name) if req.has_param(name) else None
        if values is None:
            continue
        if name in ("id", "where"):
            said[name] = values
        elif len(values) > 1:
            raise falcon.HTTPBadRequest(description=f"{name} is given more than once")
        else:
            said[name] = values[0]
    try:
        body = msgspec.convert(said, FilterBody, strict=False)
    except msgspec.ValidationError as error:
        raise falcon.HTTPBadRequest(description=f"the filter does not fit: {error}") from None
    return filter_of(body)


def filter_of(body: FilterBody, ids: Sequence[str] = ()) -> Filter:
    """The filter, with its times as of now."""
    now_ms = wall_ms()
    said: dict[str, Any] = {
        name: value for name, value in msgspec.structs.asdict(body).items() if value is not UNSET
    }
    named = [*said.pop("id", ()), *ids]
    try:
        where = tuple(map(filters.parse_where, said.pop("where", ())))
        times: dict[str, Any] = {
            f"{name}_ms": _moment(said.pop(name, None), now_ms) for name in ("since", "until")
        }
    except ValueError as error:
        raise falcon.HTTPBadRequest(description=f"the filter does not fit: {error}") from None
    if "key" in said:
        said["key"] = said["key"].encode(errors="surrogateescape")
    return Filter(ids=tuple(named), where=where, **times, **said)


def axes_of(req: falcon.Request) -> list[str]:
    """`by=error,route`."""
    said = ",".join(req.get_param_as_list("by") or ["route", "error"])
    axes = list(dict.fromkeys(axis.strip() for axis in said.split(",") if axis.strip()))
    if unknown := [axis for axis in axes if axis not in AXES]:
        raise falcon.HTTPBadRequest(description=f"by {unknown[0][:50]!r}: the axes are {', '.join(AXES)}")
    return axes


def _moment(text: str | None, now_ms: int) -> int | None:
    return None if text is None else filters.parse_time_ms(text, now_ms)


def _listed(entry: Entry, brief: bool) -> Entry:
    value = entry.value
    size = len(bytes(value)) if isinstance(value, msgspec.Raw) else len(value or "")
    if not brief and size <= LONGEST_LISTED_BYTES:
        return entry
    return msgspec.structs.replace(entry, value=None)


def _counted(by: Sequence[str], count: Count) -> Counted:
    group = dict(zip(by, count.group, strict=True))
    return Counted(group, count.messages, _died_at(count.oldest_ms), _died_at(count.newest_ms))


def _died_at(moment_ms: int) -> str | None:
    return iso(moment_ms) if moment_ms else None
