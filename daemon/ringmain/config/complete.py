"""What a config leaves out and other keys or this machine decide.

load.py enters after build.py. Every default that the schema cannot hold as a value is made here.
"""

import os
import re
import socket
from collections.abc import Mapping
from typing import Any

from msgspec.structs import asdict, replace

from ringmain.config.cores import cores_allowed
from ringmain.config.schema import Channel, Config, Retry, Route
from ringmain.types import Membership

_NO_NODE = re.compile(r"[^a-zA-Z0-9._-]+")


def complete(config: Config, tree: dict[str, Any], environment: Mapping[str, str]) -> Config:
    """The same config with nothing left to be decided; `tree` tells what the file says itself."""
    state_dir = config.state_dir or directory("STATE", config.name, environment)
    return replace(
        config,
        node=config.node if "node" in tree else _NO_NODE.sub("-", socket.gethostname()) or "localhost",
        runtime_dir=config.runtime_dir or directory("RUNTIME", config.name, environment),
        state_dir=state_dir,
        queues=replace(config.queues, path=config.queues.path or os.path.join(state_dir, "queues.db")),
        routes={
            name: _route(config, route, _inner(_inner(tree, "routes"), name))
            for name, route in config.routes.items()
        },
        producers={
            name: replace(one, kafka=config.kafka | one.kafka) for name, one in config.producers.items()
        },
    )


def directory(kind: str, name: str, environment: Mapping[str, str]) -> str:
    """systemd's own directory for this service; else one for the user and `name`."""
    if given := environment.get(f"{kind}_DIRECTORY"):
        return given.split(":")[0]
    home = environment.get("HOME") or "/"
    if kind == "RUNTIME":
        base = environment.get("XDG_RUNTIME_DIR") or (
            "/run" if os.geteuid() == 0 else f"/tmp/user-{os.getuid()}"
        )
    elif os.geteuid() == 0:
        base = "/var/lib"
    else:
        base = environment.get("XDG_STATE_HOME") or os.path.join(home, ".local/state")
    return os.path.join(base, "ringmain", name)


def _route(config: Config, route: Route, tree: dict[str, Any]) -> Route:
    kafka = {"auto.offset.reset": "earliest"} | config.kafka | route.kafka
    handlers = route.handlers if "handlers" in tree else max(1, cores_allowed() // len(config.routes))
    route = replace(
        route,
        kafka=kafka,
        handlers=handlers,
        membership=config.membership or _membership(kafka),
        schema_registry=config.schema_registry | route.schema_registry,
        producer=route.producer and replace(route.producer, kafka=config.kafka | route.producer.kafka),
    )
    channels = {
        name: _channel(route, channel, _inner(_inner(tree, "channels"), name))
        for name, channel in route.channels.items()
    }
    return replace(route, channels=channels)


def _membership(kafka: Mapping[str, str]) -> Membership:
    """Static members keep their partitions over a restart; the consumer protocol would lock them out."""
    return "dynamic" if kafka.get("group.protocol", "").lower() == "consumer" else "static"


def _channel(route: Route, channel: Channel, tree: dict[str, Any]) -> Channel:
    said = _inner(tree, "retry")
    retry = {name: value for name, value in asdict(channel.retry).items() if name in said}
    return Channel(
        handlers=channel.handlers if "handlers" in tree else route.handlers,
        concurrency=channel.concurrency if "concurrency" in tree else route.concurrency,
        timeout_s=channel.timeout_s if "timeout_s" in tree else route.timeout_s,
        retry=Retry(**(asdict(route.retry) | retry)),
    )


def _inner(tree: dict[str, Any], name: str) -> dict[str, Any]:
    value = tree.get(name)
    return value if isinstance(value, dict) else {}
