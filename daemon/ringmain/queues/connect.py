"""Which backend a config asks for: the one place that knows that there are several.

The courier, queue feeders, the admin and the command line enter. A backend's client is imported when
used.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ringmain.queues.contract import Queues
from ringmain.types import QueueType


class Tls(Protocol):
    """The config's `[queues.tls]`."""

    @property
    def ca(self) -> str | None: ...
    @property
    def cert(self) -> str | None: ...
    @property
    def key(self) -> str | None: ...


class Settings(Protocol):
    """The config's `[queues]`."""

    @property
    def backend(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def url(self) -> Sequence[str]: ...
    @property
    def username(self) -> str | None: ...
    @property
    def password(self) -> str | None: ...
    @property
    def tls(self) -> Tls | None: ...
    @property
    def type(self) -> QueueType: ...


class Route(Protocol):
    """A route of the config: its channels have queues of their own."""

    @property
    def channels(self) -> Collection[str]: ...


class Deployment(Protocol):
    """What of the config the queues need."""

    @property
    def name(self) -> str: ...
    @property
    def queues(self) -> Settings: ...
    @property
    def state_dir(self) -> str: ...
    @property
    def routes(self) -> Mapping[str, Route]: ...


def connect(config: Deployment) -> Queues:
    """The queues of this deployment; nothing is opened yet."""
    if config.queues.backend == "sqlite":
        from ringmain.queues.sqlite import SqliteQueues

        return SqliteQueues(config.name, Path(config.queues.path or Path(config.state_dir) / "queues.db"))
    return _rabbit(config)


def _rabbit(config: Deployment) -> Queues:
    from ringmain.queues.rabbit import Access, RabbitQueues, TlsFiles, Topology, address

    queues = config.queues
    tls = queues.tls
    access = Access(
        addresses=[address(url, queues.username, queues.password) for url in queues.url],
        tls=TlsFiles(tls.ca, tls.cert, tls.key) if tls else TlsFiles(),
        name=f"ringmain {config.name}",
    )
    homes = [(route, channel) for route, of in config.routes.items() for channel in ("", *of.channels)]
    return RabbitQueues(config.name, access, Topology(queues.type), homes)
