"""What the schema knows and this version cannot do yet: said in one line, never silently accepted.

load.py enters. Whoever builds a feature deletes its row; an empty table means this file can go.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ringmain.config.report import Report

ANY: tuple[str, ...] = ()

# key (* = any name) -> the values that are not there yet (ANY = the whole key)
PENDING: dict[str, tuple[str, ...]] = {
}


def refuse_pending(tree: Mapping[str, Any], report: Report) -> None:
    """Report every key of the file that this version cannot honour."""
    for pattern, words in PENDING.items():
        for path, value in _found(tree, pattern.split("."), ()):
            said = [word for word in words if word in (value if isinstance(value, list) else [value])]
            if said or not words:
                what = f'"{said[0]}" is' if said else "is"
                report.add(path, f"{what} not available in this version of ringmain")


def pending_words(path: str) -> tuple[str, ...] | None:
    """For a path of the reference: the values that are not there yet, () = all of it, None = nothing."""
    for pattern, words in PENDING.items():
        shape = pattern.replace("*", "R")
        if path == shape or path.startswith(f"{shape}."):
            return words
    return None


def _found(tree: Any, parts: list[str], path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if not parts:
        yield ".".join(path), tree
    elif isinstance(tree, Mapping):
        for name in tree if parts[0] == "*" else [parts[0]]:
            if name in tree:
                yield from _found(tree[name], parts[1:], (*path, name))
