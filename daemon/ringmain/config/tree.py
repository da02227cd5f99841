"""A file's text becomes one tree in one spelling: dotted Kafka properties are joined, overrides are in place.

load.py enters. Types and meaning are not looked at here, only where things stand.
"""

import re
import tomllib
from collections.abc import Iterable
from typing import Any

from ringmain.config.keys import keys_of
from ringmain.config.lines import lines_of, parts_of
from ringmain.config.report import Report
from ringmain.config.schema import Config, Table

_AT_LINE = re.compile(r" \(at line (\d+), column \d+\)$")


def parse(text: str, report: Report) -> dict[str, Any]:
    """The tree of a TOML text; a syntax error is reported with its line."""
    try:
        tree = tomllib.loads(text)
        report.source.lines.update(lines_of(text))
        return tree
    except RecursionError:
        report.add("", "this is nested too deeply")
    except ValueError as error:
        message = str(error)
        at = _AT_LINE.search(message)
        line = int(at[1]) if at else text.count("\n") + 1 if "end of document" in message else 0
        if line:
            report.source.lines[""] = [line]
        report.add("", f"this is not TOML: {_AT_LINE.sub('', message)[:200]}")
    return {}


def join_properties(
    tree: dict[str, Any], report: Report, table: type[Table] = Config, path: str = ""
) -> None:
    """Write every property table of the tree with its dotted names joined, in place."""
    for name, key in keys_of(table).items():
        value = tree.get(name)
        here = f"{path}.{name}" if path else name
        if not isinstance(value, dict):
            continue
        if key.reads == "properties":
            tree[name] = _joined(value, report, here)
        elif key.table:
            join_properties(value, report, key.table, here)
        elif key.entries:
            for entry, inner in value.items():
                if isinstance(inner, dict):
                    join_properties(inner, report, key.entries, f"{here}.{entry}")


def _joined(table: dict[str, Any], report: Report, path: str) -> dict[str, Any]:
    joined: dict[str, Any] = {}
    rest = [(name, value) for name, value in reversed(table.items())]
    while rest:
        name, value = rest.pop()
        if isinstance(value, dict):
            rest += [(f"{name}.{inner}", deeper) for inner, deeper in reversed(value.items())]
        elif name in joined:
            lines = " and ".join(map(str, report.source.lines.get(f"{path}.{name}", [])))
            report.add(f"{path}.{name}", "is said twice" + (f" (lines {lines})" if lines else ""))
        else:
            joined[name] = value
    return joined


def override(tree: dict[str, Any], settings: Iterable[str], report: Report) -> None:
    """Put each `a.b.c=V` in place; V is a TOML value, or else a string."""
    for setting in settings:
        path, equals, text = setting.partition("=")
        parts = parts_of(path)
        if not equals or not parts:
            report.setting(path)
            continue
        report.source.overrides.add(".".join(parts))
        _put(tree, parts, _value(text))
    join_properties(tree, report)


def _put(tree: dict[str, Any], parts: tuple[str, ...], value: object) -> None:
    table: type[Table] | None = Config
    while len(parts) > 1:
        key = keys_of(table).get(parts[0]) if table else None
        inner = tree.get(parts[0])
        tree[parts[0]] = tree = dict(inner) if isinstance(inner, dict) else {}
        parts = parts[1:]
        if key and key.reads == "properties":
            parts = (".".join(parts),)
        elif key and key.entries and len(parts) > 1:
            inner = tree.get(parts[0])
            tree[parts[0]] = tree = dict(inner) if isinstance(inner, dict) else {}
            parts = parts[1:]
        table = (key.table or key.entries) if key else None
    tree[parts[0]] = value


def _value(text: str) -> object:
    try:
        document = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return document["value"] if len(document) == 1 else text
