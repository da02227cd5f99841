"""All that is wrong with a config, each with its place; and how a value is shown in a sentence.

Everything that reads or checks a config enters, to add. A secret's value is never shown.
"""

import json
import re
from collections.abc import Iterable

import msgspec

from ringmain.errors import ConfigError, Problem

SECRET = re.compile(r"password|secret|token|\.pem$|user\.?info|jaas|oauthbearer\.config", re.IGNORECASE)
NOT_SECRET = re.compile(r"token\.endpoint|token\.url|\.location$", re.IGNORECASE)
NAMES = re.compile(r"^(routes|producers)\.[^.]*\.(channels\.[^.]*\.)?")
USERINFO = re.compile(r"(\w://[^/@:]*:)[^/]*@")
MASK = "***"


class Filled(str):
    """A string that came out of `${…}`: shown as it was written, and read as the type that is wanted."""

    written: str
    __slots__ = ("written",)

    def __new__(cls, text: str, written: str) -> "Filled":
        made = super().__new__(cls, text)
        made.written = written
        return made


class Source(msgspec.Struct):
    """Where a config comes from: what its places are called, and where its relative paths begin."""

    name: str
    folder: str
    lines: dict[str, list[int]] = {}
    overrides: set[str] = set()

    def place(self, path: str) -> str:
        """`file:line` of the key or of the nearest table around it, or the override that set it."""
        while path:
            if path in self.overrides:
                return f"--set {path}"
            if path in self.lines:
                return f"{self.name}:{self.lines[path][-1]}"
            # A table that the file does not have came with an override of a key in it.
            if within := next((one for one in sorted(self.overrides) if one.startswith(f"{path}.")), None):
                return f"--set {within}"
            path = path.rpartition(".")[0]
        whole = self.lines.get("")
        return f"{self.name}:{whole[-1]}" if whole else self.name


class Report:
    """Collects problems; a rule over several keys stays silent if one of them is wrong already."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self._wrong: set[str] = set()

    def add(self, path: str, message: str) -> None:
        """One problem with one key."""
        self._wrong.add(path)
        self._append(self.source.place(path), path, message)

    def expected(self, path: str, wanted: str, value: object) -> None:
        """The value is not what the key takes."""
        self.add(path, f"expected {wanted}, found {shown(path, value)}")

    def clash(self, paths: Iterable[str], message: str) -> None:
        """The keys are fine one by one and impossible together; the first is where it is reported."""
        paths = list(paths)
        if not any(self._is_wrong(path) for path in paths):
            self._append(self.source.place(paths[0]), paths[0], message)

    def setting(self, text: str) -> None:
        """An override that is none."""
        self._append("--set", text, "expected KEY=VALUE, such as routes.orders.handlers=8")

    def _append(self, where: str, path: str, message: str) -> None:
        problem = Problem(one_line(where), printable(path), one_line(message))
        if problem not in self.problems:
            self.problems.append(problem)

    def _is_wrong(self, path: str) -> bool:
        return any(path == wrong or path.startswith(wrong + ".") for wrong in self._wrong)

    def keep(self, tables: Iterable[str]) -> None:
        """Forget what is wrong elsewhere than in these top-level keys, or in how an override is written."""
        known = set(tables)
        self.problems = [
            one for one in self.problems if one.key.partition(".")[0] in known or one.where == "--set"
        ]

    def close(self) -> None:
        """Raise what was found, in the order of the file."""
        if self.problems:
            raise ConfigError(sorted(self.problems, key=_line))


def _line(problem: Problem) -> int:
    line = problem.where.rpartition(":")[2]
    return int(line) if line.isdecimal() else 1 << 30


def is_secret(path: str) -> bool:
    """Whether what this key holds must never be shown."""
    key = NAMES.sub("", path)
    return bool(SECRET.search(key)) and not NOT_SECRET.search(key)


def without_userinfo(text: str) -> str:
    """A URL without the password that it may carry."""
    return USERINFO.sub(rf"\1{MASK}@", text)


def shown(path: str, value: object) -> str:
    """A value as the file would spell it, short, on one line, without secrets."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if isinstance(value, Filled):
        return json.dumps(cut(value.written))
    if is_secret(path):
        return MASK
    if isinstance(value, str) and path.endswith("url") and "@" in value:
        return json.dumps(MASK + cut(value[value.rindex("@") :]))
    if isinstance(value, str):
        return json.dumps(cut(without_userinfo(value)))
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int) and abs(value) >= 1 << 64:
        return "a number with too many digits"
    return str(value) if isinstance(value, int | float) else f"the {type(value).__name__} {value}"


def cut(text: str) -> str:
    """At most 60 characters of a text."""
    return text if len(text) <= 60 else text[:57] + "..."


def one_line(text: str) -> str:
    """The text with what could break a line, or an operator's terminal, escaped."""
    return text if text.isprintable() else json.dumps(text)[1:-1].replace('\\"', '"').replace("\x7f", "")


def printable(path: str) -> str:
    """A key's path on one line, whatever its name is made of."""
    return one_line(cut(path))
