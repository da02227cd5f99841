"""routes.R.transactional: what it implies and what cannot be together with it."""

from typing import Any

import pytest

from ringmain.config.load import from_tree
from ringmain.config.schema import Config
from ringmain.errors import ConfigError

KAFKA = {"bootstrap.servers": "a:1", "group.id": "billing"}


def config(producers: object = None, kafka: object = None, **route: Any) -> Config:
    return from_tree(
        {
            "app": "orders:app",
            "name": "billing",
            "kafka": kafka or KAFKA,
            "queues": {"backend": "sqlite"},
            "routes": {"orders": {"topics": ["orders"], "transactional": True, **route}},
            "producers": {"bills": {}} if producers is None else producers,
        }
    )


def test_it_implies_order_partition() -> None:
    assert config().routes["orders"].order == "partition"
    assert config(order="partition").routes["orders"].transactional


def test_without_it_order_is_required_as_ever() -> None:
    with pytest.raises(ConfigError, match=r"routes\.orders\.order: is required"):
        config(transactional=False)


@pytest.mark.parametrize(
    ("route", "said"),
    [
        (
            {"order": "none"},
            r"order: .* needs order = .partition., which it implies, found",
        ),
        ({"order": "key"}, r"order: a transaction commits one offset of a partition"),
        ({"channels": {"slow": {}}}, r"channels: a channel is no part of a transaction of Kafka"),
        ({"overflow": {"lag": 5}}, r"overflow: "),
        ({"through": "slow", "channels": {"slow": {}}}, r"through: "),
        ({"kafka": {"isolation.level": "read_uncommitted"}}, r"isolation\.level: needs read_committed"),
        ({"timeout_s": 3600.0}, r"timeout_s: 3600 s is longer than a broker lets transactions last"),
    ],
)
def test_what_a_transaction_cannot_have_is_refused(route: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=rf"routes\.orders\.(kafka\.)?{said}"):
        config(**route)


@pytest.mark.parametrize(
    ("producers", "said"),
    [
        ({}, r"routes\.orders\.transactional: there is no producer"),
        (
            {"bills": {"kafka": {"bootstrap.servers": "b:2"}}},
            r"producers\.bills\.kafka\.bootstrap\.servers: is another cluster than that of route orders",
        ),
        (
            {"bills": {}, "mails": {"kafka": {"linger.ms": "50"}}},
            r"producers\.mails\.kafka: has other properties than producers\.bills",
        ),
        ({"bills": {"kafka": {"acks": "1"}}}, r"producers\.bills\.kafka\.acks: a transaction needs acks"),
        ({"bills": {"kafka": {"enable.idempotence": "false"}}}, r"idempotence: a transaction needs it"),
        (
            {"bills": {"kafka": {"transaction.timeout.ms": "30000"}}},
            r"timeout\.ms: Kafka would abort the transaction of a call that takes its 30 s",
        ),
    ],
)
def test_a_producer_that_has_no_part_in_it_is_refused(producers: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        config(producers)


def test_a_producer_of_another_route_is_not_asked() -> None:
    found = from_tree(
        {
            "app": "orders:app",
            "name": "billing",
            "kafka": {"bootstrap.servers": "a:1"},
            "queues": {"backend": "sqlite"},
            "routes": {
                "orders": {"topics": ["o"], "transactional": True, "kafka": {"group.id": "o"}},
                "mails": {
                    "topics": ["m"],
                    "order": "none",
                    "kafka": {"group.id": "m"},
                    "producer": {"kafka": {"bootstrap.servers": "b:2"}},
                },
            },
            "producers": {"bills": {}},
        }
    )
    assert found.routes["orders"].transactional


def test_an_id_is_not_given_by_hand() -> None:
    from ringmain.kafka.producer_properties import refusals

    [(name, reason)] = refusals({"transactional.id": "mine"})
    assert name == "transactional.id"
    assert "routes.R.transactional" in reason
