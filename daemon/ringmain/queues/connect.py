"""Which backend a config asks for: the one place that knows that there are several.

The courier, queue feeders, the admin and the command line enter. A backend's client is imported when
used.
"""

from pathlib import Path
from typing import Protocol

from ringmain.errors import RingmainError
from ringmain.queues.contract import Queues


class Settings(Protocol):
    """The config's `[queues]`."""

    @property
    def backend(self) -> str: ...
    @property
    def path(self) -> str: ...


class Deployment(Protocol):
    """What of the config the queues need."""

    @property
    def name(self) -> str: ...
    @property
    def queues(self) -> Settings: ...
    @property
    def state_dir(self) -> str: ...


def connect(config: Deployment) -> Queues:
    """The queues of this deployment; nothing is opened yet."""
    if config.queues.backend == "sqlite":
        from ringmain.queues.sqlite import SqliteQueues

        return SqliteQueues(config.name, Path(config.queues.path or Path(config.state_dir) / "queues.db"))
    raise RingmainError(f'queues.backend {config.queues.backend!r} is not there yet: use "sqlite"')
