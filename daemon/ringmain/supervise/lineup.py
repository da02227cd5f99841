"""Which processes and rings a node needs, by its modes: pure policy.

The loop enters when it opens, shared memory when it is made. `stream-worker` brings Kafka in and handles it,
`worker` brings the queues in: retries, channels. A herald and an admin has every node. The Kafka feeders'
number is staff.py's.
"""

from collections.abc import Collection

from ringmain.config.pools import Pool, pools
from ringmain.config.schema import Config
from ringmain.supervise.posts import Post


def takes_kafka(config: Config) -> bool:
    """Whether this node is a member of consumer groups."""
    return "stream-worker" in config.modes


def takes_queues(config: Config) -> bool:
    """Whether this node takes what is ready in the queues."""
    return "worker" in config.modes


def serves_app(config: Config) -> bool:
    """Whether the app's own HTTP routes have a server of their own here."""
    return config.http is not None and "api-server" in config.modes


def rings(config: Config) -> list[Pool]:
    """The pools that have a ring here."""
    if takes_queues(config):
        return pools(config)
    return [pool for pool in pools(config) if not pool.channel] if takes_kafka(config) else []


def posts(config: Config, unhandled: Collection[str], queue_seats: dict[str, int]) -> list[Post]:
    """All posts but those of the Kafka feeders; the app has no function for the pools in `unhandled`."""
    found: list[Post] = []
    for pool in rings(config):
        if takes_queues(config):
            found.append(Post("feed", pool.key, "queue", queue_seats[pool.key]))
        if pool.key not in unhandled and (takes_queues(config) or pool.settings.through is None):
            found += [Post("handle", pool.key, number=number) for number in range(pool.handlers)]
    if rings(config):
        found.append(Post("courier"))
    found += [Post("herald"), Post("admin")]
    return [*found, Post("http")] if serves_app(config) else found
