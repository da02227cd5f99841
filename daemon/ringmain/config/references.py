"""`${NAME}`, `${NAME:-default}` and `${file:PATH}` in the strings of a config.

load.py enters once a file's tree is complete. The environment and the files named are read here and nowhere
else in this room; what they hold is never put into a message.
"""

import os
import re
from collections.abc import Mapping
from typing import Any

from ringmain.config.report import Filled, Report

REFERENCE = re.compile(r"\$\{([^{}]*)\}")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(:-(.*))?", re.DOTALL)
_MOST_BYTES = 1 << 20


def fill(tree: Any, environment: Mapping[str, str], report: Report, path: str = "") -> Any:
    """The same tree with every reference replaced; what cannot be is reported and left as it is."""
    if isinstance(tree, dict):
        return {
            name: fill(value, environment, report, f"{path}.{name}" if path else name)
            for name, value in tree.items()
        }
    if isinstance(tree, list):
        return [fill(value, environment, report, path) for value in tree]
    if isinstance(tree, str) and "${" in tree:
        return _filled(tree, environment, report, path)
    return tree


def _filled(text: str, environment: Mapping[str, str], report: Report, path: str) -> str:
    wrong = False

    def replacement(match: re.Match[str]) -> str:
        nonlocal wrong
        value = _value(match[1], environment, report, path)
        wrong = wrong or value is None
        return value or ""

    result = REFERENCE.sub(replacement, text)
    if not wrong and "${" in REFERENCE.sub("", text):
        report.add(path, "has a ${ that no } follows")
        wrong = True
    return text if wrong else Filled(result, text)


def _value(inside: str, environment: Mapping[str, str], report: Report, path: str) -> str | None:
    if inside.startswith("file:"):
        return _content(inside.removeprefix("file:"), environment, report, path)
    match = _NAME.fullmatch(inside)
    if match is None:
        report.add(path, "expected ${NAME}, ${NAME:-default} or ${file:PATH} where ${ stands")
        return None
    value = environment.get(match[1])
    if match[2] is not None:
        return value or match[3]
    if value is None:
        report.add(
            path, f"the environment variable {match[1]} is not set; set it or write ${{{match[1]}:-default}}"
        )
    return value


def _content(path: str, environment: Mapping[str, str], report: Report, key: str) -> str | None:
    folder = environment.get("CREDENTIALS_DIRECTORY") or report.source.folder
    place = os.path.join(folder, path)
    try:
        with open(place, encoding="utf-8") as file:
            text = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        report.add(key, f"the file {place!r} cannot be read: {reason}")
        return None
    if len(text) > _MOST_BYTES:
        report.add(key, f"the file {place!r} is larger than 1 MiB")
        return None
    return text.rstrip("\r\n")
