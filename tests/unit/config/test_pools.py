"""What shares a ring: a route's own handlers, and those of each of its channels."""

import pytest
from smallest_config import Read

from ringmain.config.pools import key_of, pool_of, pools
from ringmain.config.schema import Retry

CHANNELS = """
handlers = 3
concurrency = 7
timeout_s = 9
max_crashes = 5
retry.attempts = 4
retry.first_s = 2
[routes.orders.channels.plain]
[routes.orders.channels.own]
handlers = 1
concurrency = 2
timeout_s = 60
retry.attempts = 99
"""


def test_each_route_and_each_channel_has_a_pool_of_its_own(read: Read) -> None:
    config = read(CHANNELS)
    assert [(pool.key, pool.route, pool.channel) for pool in pools(config)] == [
        ("orders", "orders", ""),
        ("orders.plain", "orders", "plain"),
        ("orders.own", "orders", "own"),
    ]
    assert [pool_of(config, pool.key) for pool in pools(config)] == pools(config)
    assert [key_of(pool.route, pool.channel) for pool in pools(config)] == [p.key for p in pools(config)]


def test_what_a_channel_does_not_say_is_its_routes(read: Read) -> None:
    plain = pool_of(read(CHANNELS), "orders.plain").settings
    assert (plain.handlers, plain.concurrency, plain.timeout_s) == (3, 7, 9)
    assert plain.retry == Retry(attempts=4, first_s=2)
    own = pool_of(read(CHANNELS), "orders.own").settings
    assert (own.handlers, own.concurrency, own.timeout_s) == (1, 2, 60)
    assert own.retry == Retry(attempts=99, first_s=2)
    assert own.max_crashes == 5


def test_a_channel_knows_no_order_whatever_its_route_does(read: Read) -> None:
    config = read(CHANNELS, overrides=("routes.orders.order=key",))
    assert pool_of(config, "orders").settings.order == "key"
    assert pool_of(config, "orders.plain").settings.order == "none"


def test_only_the_routes_own_pool_goes_through_a_channel(read: Read) -> None:
    config = read(CHANNELS, overrides=("routes.orders.through=own",))
    assert [pool.settings.through for pool in pools(config)] == ["own", None, None]


def test_a_pool_that_is_not_there_has_no_settings(read: Read) -> None:
    for key in ("orders.absent", "absent", ""):
        with pytest.raises(KeyError):
            pool_of(read(CHANNELS), key)
