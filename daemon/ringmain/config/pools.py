"""Pools: what shares one ring and one set of handlers. A route has one of its own, each channel has another.

Whoever makes, fills, watches or names a ring enters. Names of routes and channels hold no dot, so a pool's
key (`orders`, `orders.express`) leads back to the one place that it was made from. Nothing is opened here.
"""

from dataclasses import dataclass

from msgspec.structs import replace

from ringmain.config.schema import Config, Retry, Route


@dataclass(frozen=True, slots=True)
class Pool:
    """One ring with its handlers; `channel` is empty for the route's own."""

    key: str
    route: str
    channel: str
    settings: Route
    """The route's settings as this pool goes by them: a channel has its own pool size, times and retry."""

    @property
    def handlers(self) -> int:
        """Processes of the pool."""
        return self.settings.handlers

    @property
    def retry(self) -> Retry:
        """What happens after a failed call."""
        return self.settings.retry


def key_of(route: str, channel: str = "") -> str:
    """`orders` for a route's own pool, `orders.express` for a channel's."""
    return f"{route}.{channel}" if channel else route


def place_of(key: str) -> tuple[str, str]:
    """The route and the channel of a key; "" = the route's own pool."""
    route, _, channel = key.partition(".")
    return route, channel


def pools(config: Config) -> list[Pool]:
    """All pools of the config, each route's own before those of its channels."""
    return [pool for route in config.routes.values() for pool in pools_of(route)]


def pools_of(route: Route) -> list[Pool]:
    """The route's own pool, then those of its channels."""
    return [
        Pool(route.name, route.name, "", route),
        *(_of_channel(route, channel) for channel in route.channels),
    ]


def pool_of(config: Config, key: str) -> Pool:
    """The pool of this key; KeyError when the config has none."""
    name, channel = place_of(key)
    route = config.routes[name]
    return _of_channel(route, channel) if channel else Pool(key, name, "", route)


def _of_channel(route: Route, channel: str) -> Pool:
    """Messages of a channel have left their partitions, so there is no order among them."""
    own = route.channels[channel]
    settings = replace(
        route,
        handlers=own.handlers,
        concurrency=own.concurrency,
        timeout_s=own.timeout_s,
        retry=own.retry,
        order="none",
        through=None,
        overflow=None,
    )
    return Pool(key_of(route.name, channel), route.name, channel, settings)
