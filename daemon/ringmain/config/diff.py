"""What is different between two configs, key by key, and what a reload does about it.

The reload and `check --diff` enter. Pure; what leaves here may be logged, printed and sent: secrets are
masked.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ringmain.config.effects import ADDED, REMOVED, Effect, effect_of
from ringmain.config.keys import Key, keys_of
from ringmain.config.report import MASK, cut, is_secret, one_line, printable, without_userinfo
from ringmain.config.schema import Config, Table

_MERGED = frozenset({"kafka", "membership"})
"""Top-level keys that count by what they come to in each route."""


class Change(msgspec.Struct, frozen=True):
    """One key that has another value; a route or channel that is new or gone is one change."""

    path: str
    old: str
    new: str
    effect: Effect
    route: str = ""
    channel: str = ""

    def __str__(self) -> str:
        if self.effect in (ADDED, REMOVED):
            return f"{self.path} is {self.effect}"
        return f"{self.path}: {self.old} -> {self.new} ({self.effect})"


class _Place(msgspec.Struct, frozen=True):
    path: str = ""
    pattern: str = ""
    route: str = ""
    channel: str = ""

    def key(self, name: str) -> "_Place":
        dot = "." if self.path else ""
        path, pattern = f"{self.path}{dot}{name}", f"{self.pattern}{dot}{name}"
        return _Place(path, pattern, self.route, self.channel)

    def entry(self, name: str) -> "_Place":
        letter = self.pattern.rpartition(".")[2][0].upper()
        route = name if self.pattern == "routes" else self.route
        channel = name if self.pattern == "routes.R.channels" else self.channel
        return _Place(f"{self.path}.{name}", f"{self.pattern}.{letter}", route, channel)


def diff(old: Config, new: Config) -> list[Change]:
    """All that differs, in the schema's order."""
    return list(_of_tables(old, new, _Place()))


def _of_tables(old: Table, new: Table, place: _Place) -> Iterator[Change]:
    for name, key in keys_of(type(new)).items():
        before, after = getattr(old, name), getattr(new, name)
        if before != after and place.key(name).path not in _MERGED:
            yield from _of_key(key, before, after, place.key(name))
    if place.pattern == "routes.R" and old.membership != new.membership:  # type: ignore[attr-defined]
        here, effect = place.key("membership"), effect_of("membership")
        yield _change(here, old.membership, new.membership, effect)  # type: ignore[attr-defined]


def _of_key(key: Key, old: Any, new: Any, place: _Place) -> Iterator[Change]:
    if key.reads == "properties":
        yield from _of_properties(old, new, place)
    elif key.entries:
        yield from _of_entries(old, new, place)
    elif key.table and old is not None and new is not None:
        yield from _of_tables(old, new, place)
    else:
        yield _change(place, old, new, effect_of(place.pattern))


def _of_properties(old: Mapping[str, str], new: Mapping[str, str], place: _Place) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            effect = effect_of(place.pattern, name)
            yield _change(place.key(name), old.get(name), new.get(name), effect)


def _of_entries(old: Mapping[str, Table], new: Mapping[str, Table], place: _Place) -> Iterator[Change]:
    for name in dict.fromkeys([*old, *new]):
        here = place.entry(name)
        if name in old and name in new:
            yield from _of_tables(old[name], new[name], here)
        elif place.pattern == "producers":
            yield _change(here, old.get(name), new.get(name), effect_of(here.pattern))
        else:
            effect = ADDED if name in new else REMOVED
            yield Change(printable(here.path), "", "", effect, here.route, here.channel)


def _change(place: _Place, old: Any, new: Any, effect: Effect) -> Change:
    before, after = _shown(place.path, old), _shown(place.path, new)
    return Change(printable(place.path), before, after, effect, place.route, place.channel)


def _shown(path: str, value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, Table):
        return "a table"
    if is_secret(path):
        return MASK
    if isinstance(value, str):
        return one_line(cut(json.dumps(without_userinfo(value), ensure_ascii=False)))
    if isinstance(value, tuple):
        return one_line(cut(json.dumps([without_userinfo(one) for one in value], ensure_ascii=False)))
    return f"{value:g}" if isinstance(value, float) else str(value)
