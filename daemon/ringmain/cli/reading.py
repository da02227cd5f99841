"""CONFIG becomes a Config that Kafka's own client has looked over as well.

`run` and `check` enter. librdkafka is asked in a child process: the daemon is going to fork, and must have
loaded no client.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from ringmain.cli.inspection import Words, inspect_properties
from ringmain.config.check import Judge, Objections
from ringmain.config.load import find, load, load_without_environment
from ringmain.config.producers import producers_of
from ringmain.config.schema import Config
from ringmain.kafka import producer_properties, properties

Loader = Callable[..., Config]

REFUSALS = Judge(properties.refusals, producer_properties.refusals)
"""What ringmain itself does not let through."""


def read_for_use(name: str, overrides: Iterable[str]) -> Config:
    """The config with everything resolved."""
    return _read(load, name, tuple(overrides))


def read_to_look_at(name: str, overrides: Iterable[str]) -> Config:
    """The config with `${…}` left as it is."""
    return _read(load_without_environment, name, tuple(overrides))


def _read(loader: Loader, name: str, overrides: tuple[str, ...]) -> Config:
    path = find(name)
    config = loader(path, overrides, judge=REFUSALS)
    consuming = [route.kafka for route in config.routes.values()]
    producing = [one.kafka for one in producers_of(config).values()]
    said, said_of_producers = inspect_properties(consuming, producing)
    if any(said) or any(said_of_producers):
        # Reading once more puts librdkafka's words to the lines that they are about.
        words = Judge(_told(consuming, said), _told(producing, said_of_producers))
        loader(path, overrides, judge=words)
    return config


def _told(asked: Sequence[Mapping[str, str]], said: Sequence[Words]) -> Objections:
    """What was said of the properties that somebody asked about."""
    known = list(zip(asked, said, strict=True))
    return lambda given: next((words for properties, words in known if properties == given), [])
