"""What a config says while its app is developed: the embedded broker and a file for everything that it names.

development.py enters. Pure. Whole tables are replaced, so that nothing is left of servers, users and secrets
that are not there; what is about the app itself (pools, order, retries, formats) stays as it is.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ringmain.config.schema import Config, Route

GROUP_MS = {"session.timeout.ms": "2000", "heartbeat.interval.ms": "500"}
"""The embedded broker answers who joins a group after half the session timeout."""

STOP_S = 10


@dataclass(frozen=True)
class Stead:
    """What there is instead."""

    broker: str
    folder: Path
    """For the queues, the control socket and the lock; gone at the end."""
    bind: str


def overrides(config: Config, stead: Stead) -> list[str]:
    """As for `ringmain run --set`."""
    said: dict[str, object] = {
        "kafka": {"bootstrap.servers": stead.broker, **GROUP_MS},
        "queues": {"backend": "sqlite"},
        "schema_registry": {},
        "admin": {"bind": stead.bind},
        "log.format": "console",
        "modes": ["stream-worker", "worker", "api-server", "management-api"],
        "membership": "dynamic",
        "stop_s": STOP_S,
        "state_dir": str(stead.folder / "state"),
        "runtime_dir": str(stead.folder / "run"),
    }
    for name, route in config.routes.items():
        said[f"routes.{name}.kafka"] = {"group.id": f"{config.name}.{name}"}
        said[f"routes.{name}.consumers"] = 1
        said[f"routes.{name}.schema_registry"] = {}
        if route.producer:
            said[f"routes.{name}.producer.kafka"] = {}
    said |= {f"producers.{name}.kafka": {} for name in config.producers}
    return [f"{key}={toml(value)}" for key, value in said.items()]


def topics(config: Config, of: str = "") -> list[str]:
    """Those that the config names, of one route or of all; of a regular expression none can be made up."""
    named = (topic for name, route in config.routes.items() if of in ("", name) for topic in route.topics)
    # One with a variable that is not set: the daemon itself says so.
    return list(dict.fromkeys(topic for topic in named if not topic.startswith("^") and "${" not in topic))


def topic_of(config: Config, word: str) -> str:
    """The topic that somebody means who types a route's name, or a topic's."""
    return next(iter(topics(config, word)), word)


def is_read(config: Config, topic: str) -> bool:
    """Whether some route reads this topic."""
    return any(reads(route, topic) for route in config.routes.values())


def reads(route: Route, topic: str) -> bool:
    """Whether it names this topic, or means it by a regular expression."""
    return any(re.search(one, topic) if one.startswith("^") else one == topic for one in route.topics)


def toml(value: object) -> str:
    """A value on one line; TOML reads JSON's strings, numbers and lists as they are."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{json.dumps(name)} = {toml(inner)}' for name, inner in value.items())}}}"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value)
