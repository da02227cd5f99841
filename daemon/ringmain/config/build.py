"""A tree becomes the schema's structs, key by key; every misfit is reported and the walk goes on.

load.py enters. What is wrong or missing gets a stand-in, so that one run finds everything; the report decides
whether the result may be used. Rules about several keys are in check.py.
"""

from typing import Any, TypeVar

from ringmain.config.keys import Key, keys_of, walk
from ringmain.config.report import Filled, Report
from ringmain.config.schema import Config, Table
from ringmain.config.values import Expected, name_problem, property_text, read
from ringmain.nearest import nearest

AnyTable = TypeVar("AnyTable", bound=Table)
Tables = tuple[tuple[str, type[Table]], ...]  # the tables around a key, outermost first, with their paths


def build(tree: dict[str, Any], report: Report) -> Config:
    """The config that the tree describes, as far as it does."""
    return _table(Config, tree, report, (("", Config),))


def _table(table: type[AnyTable], tree: dict[str, Any], report: Report, around: Tables) -> AnyTable:
    keys = keys_of(table)
    for name in tree:
        if name not in keys:
            report.add(_join(around, name), _unknown(name, around))
    given = {
        name: _value(key, tree[name], report, (*around, (_join(around, name), table)))
        for name, key in keys.items()
        if name in tree
    }
    for name, key in keys.items():
        if key.required and name not in tree:
            report.add(_join(around, name), f"is required: {_meaning(key)}")
            given[name] = _stand_in(key, report.source.folder)
    return table(**given, **_derived(table, around))


def _value(key: Key, value: Any, report: Report, around: Tables) -> Any:
    """`around` ends with the key's own path and the table that it is a key of."""
    path = around[-1][0]
    if key.reads == "flood" and isinstance(value, bool):
        return key.default if value else None
    if key.table or key.entries or key.reads == "properties":
        if not isinstance(value, dict):
            report.expected(path, "false or a table" if key.reads == "flood" else "a table", value)
            return _stand_in(key, report.source.folder)
        return _inner(key, value, report, (*around[:-1], (path, key.table or key.entries or around[-1][1])))
    if isinstance(value, str) and "${" in value and not isinstance(value, Filled):
        return _unresolved(key, value, report.source.folder)
    result = read(key, value, report.source.folder)
    if isinstance(result, Expected):
        report.expected(path, result, value)
        return _stand_in(key, report.source.folder)
    return result


def _inner(key: Key, value: dict[str, Any], report: Report, around: Tables) -> Any:
    if key.reads == "properties":
        return _properties(value, report, around)
    if key.table:
        return _table(key.table, value, report, around)
    assert key.entries
    return {name: _entry(key, name, inner, report, around) for name, inner in value.items()}


def _entry(key: Key, name: str, value: Any, report: Report, around: Tables) -> Table:
    entries: type[Table] | None = key.entries
    assert entries
    path = _join(around, name)
    problem = name_problem(name) if key.reads == "names" else ""
    if problem:
        report.add(path, problem)
    if not isinstance(value, dict):
        report.expected(path, "a table", value)
        return _blank(entries, path, report.source.folder)
    return _table(entries, value, report, (*around[:-1], (path, entries)))


def _properties(tree: dict[str, Any], report: Report, around: Tables) -> dict[str, str]:
    properties = {}
    for name, value in tree.items():
        path = _join(around, name)
        text = property_text(value)
        if stray := _stray(name, around[:-1], around[-1][0]):
            report.add(path, stray)
        elif text is None:
            report.expected(path, "a string, a number or a boolean", value)
        else:
            properties[name] = text
    return properties


def _unknown(name: str, around: Tables) -> str:
    path, table = around[-1]
    if stray := _stray(name, around[:-1], path):
        return f"unknown key; {stray}"
    if near := nearest(name, keys_of(table)):
        return f'unknown key; did you mean "{near}"?'
    elsewhere = [known for known, key in walk() if known.endswith(f".{name}")]
    return f'unknown key; there is "{elsewhere[0]}"' if elsewhere else "unknown key"


def _stray(name: str, outer: Tables, path: str) -> str:
    """What to say of a key that belongs to a table around the one where it stands."""
    for place, table in outer:
        if not place and _is_key(name):
            return f'"{name}" is a top-level key and stands under [{path}]: move it above the first [table]'
        if name in keys_of(table):
            return f'"{name}" is a key of [{place}] and stands under [{path}]: move it there'
    return ""


def _is_key(name: str) -> bool:
    return any(known == name for known, _ in walk())


def _unresolved(key: Key, value: str, folder: str) -> Any:
    """Stands where a reference was left in place on purpose."""
    if key.type is str:
        return value
    return (value,) if key.reads in ("topics", "urls") else _stand_in(key, folder)


def _stand_in(key: Key, folder: str) -> Any:
    if not key.required:
        return key.default
    if key.table:
        return _blank(key.table, "", folder)
    if key.entries:
        return {}
    return key.words[0] if key.words else () if key.type is not str else ""


def _blank(table: type[AnyTable], path: str, folder: str) -> AnyTable:
    given = {name: _stand_in(key, folder) for name, key in keys_of(table).items() if key.required}
    return table(**given, **_derived(table, ((path, table),)))


def _derived(table: type[Table], around: Tables) -> dict[str, str]:
    return (
        {"name": around[-1][0].rpartition(".")[2]}
        if "name" in table.__struct_fields__ and table is not Config
        else {}
    )


def _join(around: Tables, name: str) -> str:
    path = around[-1][0]
    return f"{path}.{name}" if path else name


def _meaning(key: Key) -> str:
    words = ", ".join(f'"{word}"' for word in key.words)
    return f"{key.description} ({words})" if words else key.description
