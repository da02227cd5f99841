"""The config of a Harness: a file as it is, or a dict with what one test is about and the rest made up.

The harness enters. References whose variables are not set stay as they are: no test needs a password.
"""

import copy
import os
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from ringmain.app import App
from ringmain.config.load import load_what_is_set, tree_for_tests
from ringmain.config.schema import Config, Route

NAME = "harness"

Given = str | os.PathLike[str] | Mapping[str, Any] | None


def config_for(app: App, given: Given) -> Config:
    """The whole config: of the file at a path, or of a dict completed by what the app itself says."""
    if given is None or isinstance(given, Mapping):
        config = tree_for_tests(completed(app, given or {}))
    else:
        config = load_what_is_set(given)
    return replace(config, routes={name: _alone(route) for name, route in config.routes.items()})


def _alone(route: Route) -> Route:
    """The route where nothing else comes and no server is: a batch is never fuller, values are not framed."""
    return replace(route, batch=replace(route.batch, wait_s=0.0), schema_registry={})


def completed(app: App, given: Mapping[str, Any]) -> dict[str, Any]:
    """The dict with whatever a config needs and a test does not care about."""
    tree: dict[str, Any] = copy.deepcopy(dict(given))
    tree.setdefault("app", "test:app")
    tree.setdefault("name", NAME)
    tree.setdefault("queues", {"backend": "sqlite"})
    kafka = tree.setdefault("kafka", {})
    _default(kafka, "bootstrap.servers", "127.0.0.1:9092")
    routes = tree.setdefault("routes", {})
    for route, channel in app.handlers:
        own = routes.setdefault(route, {})
        if channel:
            own.setdefault("channels", {}).setdefault(channel, {})
    for name in app.producers:
        if "producer" not in routes.get(name, {}):
            tree.setdefault("producers", {}).setdefault(name, {})
    for name, route in routes.items():
        if isinstance(route, dict):
            route.setdefault("topics", [name])
            if not route.get("transactional"):
                route.setdefault("order", "none")
            _default(route.setdefault("kafka", {}), "group.id", f"{NAME}.{name}")
    return tree


def _default(properties: Any, name: str, value: str) -> None:
    """A Kafka property that is not there in either spelling."""
    if isinstance(properties, dict) and name not in properties and name.split(".")[0] not in properties:
        properties[name] = value
