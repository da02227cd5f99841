"""The value of one key: how the file may spell it, and what it becomes.

build.py enters with what the file holds. A value that does not fit comes back as `Expected`, the words for
what would: failure is a value here, never an exception. Nothing looks at two keys at once.
"""

import math
import os
import re
import tomllib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from ringmain.config.keys import Key
from ringmain.config.report import Filled
from ringmain.config.schema import MODES

RESERVED = ("ready", "dead", "delay", "overflow", "control", "reply")
NAME = re.compile(r"[a-z0-9_-]+")
KAFKA_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_SIZE = re.compile(r"(\d{1,15})\s*(|B|kB|KB|MB|GB|KiB|MiB|GiB)")
_UNITS = {"": 1, "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_UNITS |= {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_APP = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_BIND = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:/\s\[\]]+):(\d{1,5})")
_URL = re.compile(r"amqps?://[^\s/]+(/\S*)?")
_VHOST = re.compile(r"/?|/[^/]+|//")


class Expected(str):
    """Says what a key takes; stands where a value would."""

    __slots__ = ()


def read(key: Key, value: object, folder: str) -> Any:
    """The value of `key`, or `Expected`; relative paths begin at `folder`."""
    if isinstance(value, Filled) and key.type in (int, float, bool):
        value = _typed(value)
    if key.reads == "path":
        return _path(value, folder)
    return READERS.get(key.reads, _scalar)(key, value)


def name_problem(name: str) -> str:
    """Why this cannot be the name of an app, a route or a channel; empty if it can."""
    if not NAME.fullmatch(name):
        return "a name is made of a-z, 0-9, _ and -"
    return f"the name {name} is reserved" if name in RESERVED else ""


def property_text(value: object) -> str | None:
    """A Kafka property as librdkafka wants it, or None if it is not a string, a number or a boolean."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if abs(value) < 1 << 64 else None
    return str(value) if isinstance(value, str | float) else None


def _typed(value: str) -> object:
    try:
        document = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):
        return value
    return document["value"] if len(document) == 1 else value


def _scalar(key: Key, value: object) -> Any:
    if key.words:
        return str(value) if isinstance(value, str) and value in key.words else Expected(_one_of(key.words))
    if key.type is str:
        return str(value) if isinstance(value, str) and value else Expected("a string that is not empty")
    if key.type is bool:
        return value if isinstance(value, bool) else Expected("true or false")
    if isinstance(value, bool) or not isinstance(value, int if key.type is int else int | float):
        return Expected(_number(key))
    return _within(key, value)


def _within(key: Key, value: float) -> Any:
    low, high = key.limits.get("ge", -math.inf), key.limits.get("le", 1 << 62)
    if not low <= value <= high or value <= key.limits.get("gt", -math.inf):
        return Expected(_number(key))
    return float(value) if key.type is float else value


def _number(key: Key) -> str:
    kind = "a whole number" if key.type is int else "a number"
    limits = key.limits
    low = f"above {limits['gt']:,}" if "gt" in limits else f"from {limits.get('ge', 0):,}"
    return f"{kind} {low}" + (f" to {limits['le']:,}" if "le" in limits else "")


def _one_of(words: tuple[str, ...]) -> str:
    quoted = [f'"{word}"' for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def _size(key: Key, value: object) -> Any:
    if isinstance(value, str):
        match = _SIZE.fullmatch(value.strip())
        value = int(match[1]) * _UNITS[match[2]] if match else None
    if isinstance(value, bool) or not isinstance(value, int):
        return Expected('a size such as "16MiB", or a number of bytes')
    low, high = int(key.limits.get("ge", 0)), int(key.limits.get("le", 1 << 62))
    return value if low <= value <= high else Expected(f"a size from {low:,} to {high:,} bytes")


def _consumers(key: Key, value: object) -> Any:
    if value == "per-partition":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= key.limits["le"]:
        return Expected(f'"per-partition" or a whole number from 1 to {int(key.limits["le"]):,}')
    return value


def _strings(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list) or not value:
        return None
    return tuple(map(str, value)) if all(isinstance(item, str) for item in value) else None


def _topics(_key: Key, value: object) -> Any:
    topics = _strings(value)
    if topics is None:
        return Expected('a list of topics such as ["orders"]')
    for topic in topics:
        if topic.startswith("^"):
            if problem := _regex_problem(topic):
                wanted = "a topic that starts with ^ to be a regular expression"
                return Expected(f"{wanted} (not {topic[:40]!a}: {problem})")
        elif "${" not in topic and (not KAFKA_NAME.fullmatch(topic) or topic in (".", "..")):
            return Expected(f"topics of at most 249 letters, digits, dots, _ and - (not {topic[:40]!a})")
    return topics if len(set(topics)) == len(topics) else Expected("each topic once")


def _regex_problem(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return str(error)
    return ""


def _urls(_key: Key, value: object) -> Any:
    urls = _strings([value] if isinstance(value, str) else value)
    if urls is None:
        return Expected("an amqp:// or amqps:// URL, or a list of them")
    problem = next(filter(None, (url_problem(url) for url in urls if "${" not in url)), "")
    return Expected(f"an amqp:// or amqps:// URL, or a list of them ({problem})") if problem else urls


def url_problem(url: str) -> str:
    """Why this cannot be RabbitMQ's URL, without quoting it: it may hold a password; empty if it can.

    What is not read would silently mean something else: a query, a second part of the path.
    """
    if not _URL.fullmatch(url):
        return "such as amqp://HOST:5672/VHOST"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "its host or port cannot be read; in a password write / as %2F, @ as %40, : as %3A"
    if not parts.hostname or port == 0:
        return "it needs a host, and a port from 1 to 65535 if any"
    if parts.query or parts.fragment or "?" in url or "#" in url:
        return "what follows ? or # is not read: leave it out, or write %3F and %23"
    return "" if _VHOST.fullmatch(parts.path) else "one virtual host behind the host: write / in it as %2F"


def _modes(_key: Key, value: object) -> Any:
    modes = _strings(value)
    if modes is None or not set(modes) <= set(MODES):
        return Expected(f"a list out of {_one_of(MODES)}{_stranger(modes or ())}")
    return tuple(mode for mode in MODES if mode in modes)


def _stranger(words: tuple[str, ...]) -> str:
    """The first of the list that is none of them: shown, a list is only "a list"."""
    return next((f" (not {word[:40]!a})" for word in words if word not in MODES), "")


def _name(_key: Key, value: object) -> Any:
    problem = name_problem(value) if isinstance(value, str) else "a name is a string"
    return Expected(f"a name ({problem})") if problem else str(value)


def _node(_key: Key, value: object) -> Any:
    if isinstance(value, str) and KAFKA_NAME.fullmatch(value):
        return str(value)
    return Expected("a name of at most 249 letters, digits, dots, _ and -")


def _app(_key: Key, value: object) -> Any:
    if isinstance(value, str) and _APP.fullmatch(value):
        return str(value)
    return Expected('"module:attribute"')


def _format(_key: Key, value: object) -> Any:
    """Which names there are, the app says: it has codecs of its own."""
    if isinstance(value, str) and NAME.fullmatch(value):
        return str(value)
    return Expected('a format such as "json" or "avro", or the name of a codec of the app')


def _bind(_key: Key, value: object) -> Any:
    match = _BIND.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[2]) > 65535:
        return Expected('an address such as "127.0.0.1:8100"')
    return str(value)


def _path(value: object, folder: str) -> Any:
    if not isinstance(value, str) or not value or "\0" in value:
        return Expected("a path")
    return os.path.normpath(os.path.join(folder, os.path.expanduser(value)))


READERS: dict[str, Callable[[Key, object], Any]] = {
    "size": _size,
    "consumers": _consumers,
    "topics": _topics,
    "urls": _urls,
    "modes": _modes,
    "name": _name,
    "node": _node,
    "app": _app,
    "format": _format,
    "bind": _bind,
}
