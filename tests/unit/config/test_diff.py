"""What a reload sees between two configs, and that every key has been thought about."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringmain.config.diff import Change, diff
from ringmain.config.effects import ADDED, EFFECTS, PROPERTIES, REMOVED, as_markdown
from ringmain.config.keys import walk
from ringmain.config.load import from_tree
from ringmain.config.schema import Config
from ringmain.errors import ConfigError


def tree(**route: Any) -> dict[str, Any]:
    return {
        "app": "orders:app",
        "name": "billing",
        "kafka": {"bootstrap.servers": "127.0.0.1:9092", "group.id": "billing"},
        "queues": {"backend": "sqlite"},
        "routes": {"orders": {"topics": ["orders"], "order": "none", "handlers": 2, **route}},
    }


def config(over: dict[str, Any] | None = None, **route: Any) -> Config:
    return from_tree(tree(**route) | (over or {}), folder="/")


def lines(old: Config, new: Config) -> list[str]:
    return [str(change) for change in diff(old, new)]


def two_routes() -> Config:
    both = {
        name: {"topics": [name], "order": "none", "handlers": 1, "kafka": {"group.id": name}}
        for name in ("orders", "refunds")
    }
    return config({"routes": both})


def test_every_key_of_the_schema_has_an_effect_and_every_effect_a_key() -> None:
    keys = dict(walk())
    values = {path for path, key in keys.items() if not (key.table or key.entries)}
    assert not values - set(EFFECTS), "decide in config/effects.py what a reload does about it"
    assert not set(EFFECTS) - set(keys) - {"routes.R", "routes.R.channels.C", "producers.P"}


def test_a_table_that_may_be_absent_has_an_effect_of_its_own() -> None:
    optional = {path for path, key in walk() if key.table and not key.required and key.default is None}
    assert optional <= set(EFFECTS)


def test_every_reason_to_restart_is_said() -> None:
    for effect in [*EFFECTS.values(), *PROPERTIES.values()]:
        assert str(effect)
        assert not (effect.restart and effect.replaces)


def test_the_table_names_every_key() -> None:
    text = as_markdown()
    assert [path for path in EFFECTS if path != "producers.P" and f"`{path}`" not in text] == []


OVER = {
    "kafka": {"bootstrap.servers": "127.0.0.1:9092", "group.id": "billing", "sasl.password": "hunter2"},
    "commit": {"interval_s": 3},
    "log": {"level": "debug"},
    "ring": {"messages": 64},
    "stop_s": 5,
    "node": "n7",
    "queues": {"backend": "rabbitmq", "url": "amqp://me:hunter2@q/%2F"},
}
ROUTE = {
    "handlers": 7,
    "timeout_s": 3,
    "flood": False,
    "overflow": {"after_s": 3},
    "retry": {"attempts": 3},
    "channels": {"express": {"handlers": 1}, "slow": {"handlers": 2, "retry": {"first_s": 1}}},
    "kafka": {"fetch.min.bytes": 10},
    "max_rss_bytes": "1GiB",
}


def some(tree_of: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.sets(st.sampled_from(sorted(tree_of))).map(lambda keys: {key: tree_of[key] for key in keys})


@given(some(OVER), some(ROUTE))
def test_equal_configs_have_no_difference(over: dict[str, Any], route: dict[str, Any]) -> None:
    assert diff(config(over, **route), config(over, **route)) == []


@given(some(OVER), some(ROUTE), some(OVER), some(ROUTE))
def test_whatever_differs_has_a_line_and_no_secret_is_in_it(
    over: dict[str, Any], route: dict[str, Any], later: dict[str, Any], route_later: dict[str, Any]
) -> None:
    old, new = config(over, **route), config(later, **route_later)
    found = lines(old, new)
    assert bool(found) == (old != new)
    assert "hunter2" not in "".join(found)
    assert lines(new, old) or not found


@pytest.mark.parametrize(
    ("route", "line"),
    [
        ({"handlers": 4}, "routes.orders.handlers: 2 -> 4 (live: processes are added or retire)"),
        ({"timeout_s": 2.5}, "routes.orders.timeout_s: 30 -> 2.5 (handlers are replaced)"),
        ({"retry": {"attempts": 3}},
         "routes.orders.retry.attempts: 12 -> 3 (handlers, feeders and courier are replaced)"),
        ({"flood": False}, "routes.orders.flood: a table -> not set (live: nothing is replaced)"),
        ({"flood": {"probe_s": 3}}, "routes.orders.flood.probe_s: 30 -> 3 (live: nothing is replaced)"),
        ({"order": "key"},
         'routes.orders.order: "none" -> "key" (restart: messages lie in the ring in the old order)'),
        ({"topics": ["orders", "more"]},
         'routes.orders.topics: ["orders"] -> ["orders", "more"] (its feeders leave the group and rejoin)'),
        ({"kafka": {"fetch.min.bytes": 9}},
         'routes.orders.kafka.fetch.min.bytes: not set -> "9" (Kafka feeders are replaced)'),
    ],
)  # fmt: skip
def test_a_change_of_a_route_says_what_is_replaced(route: dict[str, Any], line: str) -> None:
    assert lines(config(), config(**route)) == [line]


def test_a_route_that_is_new_or_gone_is_one_change() -> None:
    one, both = config(), two_routes()
    names = [(change.path, change.effect) for change in diff(one, both)]
    assert ("routes.refunds", ADDED) in names
    assert ("routes.refunds", REMOVED) in [(change.path, change.effect) for change in diff(both, one)]


def test_a_channel_that_is_new_is_one_change_of_its_route() -> None:
    [change] = diff(config(), config(channels={"express": {"handlers": 1}}))
    assert change.path == "routes.orders.channels.express"
    assert (change.route, change.channel) == ("orders", "express")
    assert change.effect == ADDED


def test_what_a_channel_has_from_its_route_changes_with_it() -> None:
    channels = {"express": {"handlers": 1}}
    found = diff(config(channels=channels), config(channels=channels, timeout_s=3))
    assert [change.path for change in found] == [
        "routes.orders.timeout_s", "routes.orders.channels.express.timeout_s",
    ]  # fmt: skip


def test_properties_of_all_routes_are_said_of_each_route() -> None:
    later = {"kafka": {"bootstrap.servers": "127.0.0.1:9092", "group.id": "other"}}
    [change] = diff(config(), config(later))
    assert change.path == "routes.orders.kafka.group.id"
    assert change.effect.restart == "another group has other offsets"


def test_membership_counts_by_what_it_comes_to() -> None:
    assert diff(config(), config({"membership": "static"})) == []
    [change] = diff(config(), config({"membership": "dynamic"}))
    assert (change.path, bool(change.effect.restart)) == ("routes.orders.membership", True)


@pytest.mark.parametrize(
    "over",
    [
        {"kafka": OVER["kafka"]},
        {"admin": {"token": "hunter2"}},
        {"queues": {"backend": "rabbitmq", "username": "me", "password": "hunter2"}},
        {
            "queues": {
                "backend": "rabbitmq",
                "url": ["amqp://me:hunter2@one/%2F", "amqp://me:hunter2@two/%2F"],
            }
        },
    ],
)
def test_a_secret_is_masked_whether_it_comes_or_goes(over: dict[str, Any]) -> None:
    try:
        new = config(over)
    except ConfigError as refused:
        pytest.skip(str(refused))
    for old, later in ((config(), new), (new, config())):
        assert diff(old, later)
        assert "hunter2" not in "".join(lines(old, later))
        assert "***" in "".join(lines(old, later))


def test_a_hostile_value_stays_on_its_line() -> None:
    [line] = lines(config(), config(kafka={"client.rack": "a\x1b[2J\nb"}))
    assert "\x1b" not in line
    assert "\n" not in line
    assert re.match(r"routes\.orders\.kafka\.client\.rack: not set -> ", line)


def test_a_change_of_one_route_is_of_that_route() -> None:
    old = two_routes()
    new = config({"routes": {
        "orders": {"topics": ["orders"], "order": "none", "handlers": 3, "kafka": {"group.id": "orders"}},
        "refunds": {"topics": ["refunds"], "order": "none", "handlers": 1, "kafka": {"group.id": "refunds"}},
    }})  # fmt: skip
    found: list[Change] = diff(old, new)
    assert [(one.route, one.path) for one in found] == [("orders", "routes.orders.handlers")]
