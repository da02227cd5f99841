"""CONFIG becomes a Config that Kafka's own client has looked over as well.

`run` and `check` enter. librdkafka is asked in a child process: the daemon is going to fork, and must have
loaded no client.
"""

from collections.abc import Callable, Iterable, Mapping

from ringmain.cli.inspection import inspect_properties
from ringmain.config.load import find, load, load_without_environment
from ringmain.config.producers import producers_of
from ringmain.config.schema import Config
from ringmain.kafka import producer_properties, properties

Loader = Callable[..., Config]
Said = list[tuple[Mapping[str, str], list[tuple[str, str]]]]


def read_for_use(name: str, overrides: Iterable[str]) -> Config:
    """The config with everything resolved."""
    return _read(load, name, tuple(overrides))


def read_to_look_at(name: str, overrides: Iterable[str]) -> Config:
    """The config with `${…}` left as it is."""
    return _read(load_without_environment, name, tuple(overrides))


def _read(loader: Loader, name: str, overrides: tuple[str, ...]) -> Config:
    path = find(name)
    config = loader(path, overrides, judge=_refusals)
    consuming = [route.kafka for route in config.routes.values()]
    producing = [one.kafka for one in producers_of(config).values()]
    said, said_of_producers = inspect_properties(consuming, producing)
    if any(said) or any(said_of_producers):
        words: dict[bool, Said] = {
            False: list(zip(consuming, said, strict=True)),
            True: list(zip(producing, said_of_producers, strict=True)),
        }
        # Reading once more puts librdkafka's words to the lines that they are about.
        loader(path, overrides, judge=lambda given, producing=False: _words(given, words[producing]))
    return config


def _refusals(given: Mapping[str, str], producing: bool = False) -> list[tuple[str, str]]:
    return producer_properties.refusals(given) if producing else properties.refusals(given)


def _words(given: Mapping[str, str], words: Said) -> list[tuple[str, str]]:
    return next((found for known, found in words if known == given), [])
