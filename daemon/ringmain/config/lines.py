"""In which line of a TOML text each key stands; the standard parser does not tell.

The loader enters with a text that the standard parser has accepted, so what is scanned here is valid TOML.
Values are skipped, never read.
"""

import re
import tomllib

_PART = r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)"""
_KEY = re.compile(rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*")
_PARTS = re.compile(_PART)
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_HEADER = re.compile(r"\[\[?[ \t]*")
_HEADER_END = re.compile(r"[ \t]*\]\]?")
_ASSIGN = re.compile(r"[ \t]*=")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}' r"|'''(?:[^']|'(?!''))*'{3,5}" r"""|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""",
    re.DOTALL,
)
_PLAIN = re.compile(r"[^\"'\[\]{}#\n]+")


def parts_of(key: str) -> tuple[str, ...]:
    """A key as written, dotted or quoted, in its parts; empty if it is not a key."""
    if not _KEY.fullmatch(key.strip()):
        return ()
    return tuple(_unquoted(part) for part in _PARTS.findall(key))


def lines_of(text: str) -> dict[str, list[int]]:
    """Dotted path of each key and table header -> the lines where it stands, counted from 1."""
    found: dict[str, list[int]] = {}
    table: tuple[str, ...] = ()
    at = _skip(_BLANK, text, 0)
    while at < len(text):
        header = _HEADER.match(text, at)
        key = _KEY.match(text, header.end() if header else at)
        if key is None:  # not the TOML that we know: better no line than a wrong one
            break
        path = parts_of(key.group()) if header else table + parts_of(key.group())
        line = text.count("\n", 0, at) + 1
        found.setdefault(".".join(path), []).append(line)
        for length in range(1, len(path)):  # tables that a dotted key makes by the way
            found.setdefault(".".join(path[:length]), [line])
        if header:
            table, at = path, _skip(_HEADER_END, text, key.end())
        else:
            at = _after_value(text, _skip(_ASSIGN, text, key.end()))
        at = _skip(_BLANK, text, at)
    return found


def _after_value(text: str, at: int) -> int:
    depth = 0
    while at < len(text) and (depth or text[at] not in "#\n"):
        string = _STRING.match(text, at)
        if string:
            at = string.end()
        elif text[at] == "#":
            at = _skip(_BLANK, text, at)
        elif plain := _PLAIN.match(text, at):
            at = plain.end()
        else:
            depth += (text[at] in "[{") - (text[at] in "]}")
            at += 1
    return at


def _skip(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _unquoted(part: str) -> str:
    if part[0] not in "\"'":
        return part
    try:
        return str(tomllib.loads(f"x = {part}")["x"])
    except tomllib.TOMLDecodeError:
        return part
