"""[producers.P] and [routes.R.producer]."""

import pytest

from ringmain.config.load import from_tree
from ringmain.config.producers import producers_of
from ringmain.config.schema import Config
from ringmain.errors import ConfigError


def config(producers: object = None, producer: object = None, kafka: object = None) -> Config:
    route = {
        "topics": ["orders"],
        "order": "none",
        **({"producer": producer} if producer is not None else {}),
    }
    return from_tree(
        {
            "app": "orders:app",
            "name": "billing",
            "kafka": kafka or {"bootstrap.servers": "a:1", "group.id": "billing"},
            "queues": {"backend": "sqlite"},
            "routes": {"orders": route},
            **({"producers": producers} if producers is not None else {}),
        }
    )


def test_a_producers_properties_are_over_those_of_kafka() -> None:
    found = config({"bills": {"kafka": {"linger.ms": "50"}}}, {"kafka": {"bootstrap.servers": "b:2"}})
    of = producers_of(found)
    assert of["producers.bills"].kafka["bootstrap.servers"] == "a:1"
    assert of["producers.bills"].kafka["linger.ms"] == "50"
    assert of["routes.orders.producer"].kafka["bootstrap.servers"] == "b:2"


def test_a_name_that_is_both_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"producers\.orders: routes\.orders\.producer has the same name"):
        config({"orders": {}}, {})


def test_a_producer_needs_servers() -> None:
    with pytest.raises(ConfigError, match=r"producers\.bills\.kafka\.bootstrap\.servers: is required"):
        from_tree(
            {
                "app": "orders:app",
                "name": "billing",
                "modes": ["worker"],
                "queues": {"backend": "sqlite"},
                "routes": {
                    "orders": {
                        "topics": ["orders"],
                        "order": "none",
                        "kafka": {"bootstrap.servers": "a:1", "group.id": "g"},
                    }
                },
                "producers": {"bills": {}},
            }
        )


def test_a_schema_of_a_format_that_has_none_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"producers\.bills\.schema: format json has no schema: remove it"):
        config({"bills": {"schema": "bill.avsc"}})
    assert producers_of(config({"bills": {"format": "protobuf", "schema": "bill.txt"}}))
