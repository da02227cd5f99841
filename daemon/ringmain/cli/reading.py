"""CONFIG becomes a Config that Kafka's own client has looked over as well.

`run` and `check` enter. librdkafka is asked in a child process: the daemon is going to fork, and must have
loaded no client.
"""

from collections.abc import Callable, Iterable, Mapping

from ringmain.cli.inspection import inspect_properties
from ringmain.config.load import find, load, load_without_environment
from ringmain.config.schema import Config
from ringmain.kafka.properties import refusals

Loader = Callable[..., Config]


def read_for_use(name: str, overrides: Iterable[str]) -> Config:
    """The config with everything resolved."""
    return _read(load, name, tuple(overrides))


def read_to_look_at(name: str, overrides: Iterable[str]) -> Config:
    """The config with `${…}` left as it is."""
    return _read(load_without_environment, name, tuple(overrides))


def _read(loader: Loader, name: str, overrides: tuple[str, ...]) -> Config:
    path = find(name)
    config = loader(path, overrides, judge=refusals)
    said = inspect_properties([route.kafka for route in config.routes.values()])
    if any(said):
        words = [(route.kafka, found) for route, found in zip(config.routes.values(), said, strict=True)]
        loader(path, overrides, judge=lambda properties: _words(properties, words))
    return config


def _words(
    properties: Mapping[str, str], words: list[tuple[dict[str, str], list[tuple[str, str]]]]
) -> list[tuple[str, str]]:
    """Reading once more puts librdkafka's words to the lines that they are about."""
    return next((found for known, found in words if known == properties), [])
