"""The config of a Harness: a file, a dict of what matters, or nothing."""

import gc
from pathlib import Path

import msgspec
import pytest

from ringmain import App
from ringmain.errors import AppError, ConfigError
from ringmain.testing import Harness
from ringmain.testing.plugin import MakeHarness
from support.descriptors import descriptors


class Order(msgspec.Struct):
    id: int


def app_of() -> App:
    app = App()

    @app.route("orders")
    def handle(order: Order) -> None:
        raise ValueError

    return app


FILE = """
app = "orders:app"
name = "billing"
[kafka]
bootstrap.servers = "${BROKERS}"
group.id = "billing"
[queues]
backend = "rabbitmq"
username = "billing"
password = "${A_PASSWORD_THAT_NO_TEST_HAS}"
[routes.orders]
topics = ["orders"]
order = "none"
retry.attempts = "${ATTEMPTS:-3}"
"""


def test_a_file_goes_as_it_is_and_its_secrets_may_be_unset(harness: MakeHarness, tmp_path: Path) -> None:
    path = tmp_path / "ringmain.toml"
    path.write_text(FILE)
    assert harness(app_of(), path).send("orders", {"id": 1}).attempts == 3
    assert harness(app_of(), str(path)).config.name == "billing"


def test_a_file_that_is_wrong_is_refused_as_by_check(harness: MakeHarness, tmp_path: Path) -> None:
    path = tmp_path / "ringmain.toml"
    path.write_text(FILE.replace("order =", "ordre ="))
    with pytest.raises(ConfigError, match=r'ringmain.toml:13: routes.orders.ordre.*did you mean "order"'):
        harness(app_of(), path)


def test_a_dict_says_only_what_the_test_is_about(harness: MakeHarness) -> None:
    stage = harness(app_of(), {"routes": {"orders": {"retry": {"attempts": 2}}}})
    assert stage.send("orders", {"id": 1}).attempts == 2


def test_a_whole_config_as_a_dict_is_taken_as_it_is(harness: MakeHarness) -> None:
    tree = {
        "app": "orders:app",
        "name": "billing",
        "kafka": {"bootstrap": {"servers": "broker:9092"}, "group.id": "billing"},
        "queues": {"backend": "sqlite", "path": "q.db"},
        "routes": {"orders": {"topics": ["o"], "order": "key", "kafka": {"group": {"id": "own"}}}},
    }
    route = harness(app_of(), tree).config.routes["orders"]
    assert (route.topics, route.order, route.kafka["group.id"]) == (("o",), "key", "own")
    assert tree["name"] == "billing"


def test_nothing_is_a_config_for_everything_that_the_app_handles(harness: MakeHarness) -> None:
    app = app_of()

    @app.route("invoices")
    def invoices(order: Order) -> None:
        """Done."""

    @app.channel("invoices", "late")
    def late(order: Order) -> None:
        """Done."""

    config = harness(app).config
    assert set(config.routes) == {"orders", "invoices"}
    assert set(config.routes["invoices"].channels) == {"late"}


def test_an_app_that_does_not_fit_is_refused_as_by_check(harness: MakeHarness) -> None:
    with pytest.raises(AppError, match="route 'parcels' is in the config but has no handler"):
        harness(app_of(), {"routes": {"parcels": {}}})


def test_a_harness_leaves_no_descriptor_behind_closed_or_not() -> None:
    Harness(app_of()).close()
    gc.collect()
    before = descriptors()
    with Harness(app_of()) as stage:
        stage.send("orders", {"id": 1})
    Harness(app_of()).send("orders", {"id": 1})
    with pytest.raises(AppError):
        Harness(app_of(), {"routes": {"parcels": {}}})
    gc.collect()
    assert descriptors() == before
