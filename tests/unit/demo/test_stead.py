"""What a config says while its app is developed: no server, no secret, nothing else changed."""

from pathlib import Path

import pytest

from ringmain.config.load import load, load_what_is_set
from ringmain.config.schema import Config
from ringmain.demo.stead import Stead, is_read, overrides, toml, topic_of, topics

FILE = """
app = "orders:app"
name = "billing"
modes = ["worker"]
[kafka]
bootstrap.servers = "kafka.example:9093"
security.protocol = "sasl_ssl"
sasl.password = "${A_PASSWORD_THAT_IS_NOT_SET}"
[queues]
backend = "rabbitmq"
url = "${RABBIT_URL_THAT_IS_NOT_SET}"
username = "billing"
password = "${file:rabbit-password}"
[admin]
bind = "0.0.0.0:8100"
token = "${TOKEN_THAT_IS_NOT_SET}"
[routes.orders]
topics = ["orders", "old-orders"]
order = "key"
handlers = 3
kafka.group.id = "billing"
retry.attempts = 4
[routes.orders.schema_registry]
ssl.ca.location = "ca.pem"
[schema_registry]
url = "https://registry.example"
basic.auth.user.info = "${REGISTRY_USER_THAT_IS_NOT_SET}"
[routes.invoices]
topics = ["^invoices-.*", "paid", "${PREFIX:-}late", "${PREFIX_THAT_IS_NOT_SET}-x"]
order = "none"
kafka = { "group.id" = "${GROUP_THAT_IS_NOT_SET}", ssl.ca.location = "ca.pem" }
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ringmain.toml"
    path.write_text(FILE)
    return path


def developed(path: Path) -> Config:
    stead = Stead("127.0.0.1:19092", path.parent / "dev", "127.0.0.1:18100")
    also = ['routes.invoices.topics=["^invoices-.*", "paid"]']
    return load(path, [*overrides(load_what_is_set(path), stead), *also])


def test_no_server_user_or_secret_of_the_file_is_left(path: Path) -> None:
    config = developed(path)
    assert {route.kafka["bootstrap.servers"] for route in config.routes.values()} == {"127.0.0.1:19092"}
    left = str(config)
    for gone in ("example", "sasl", "ca.pem", "${", "rabbit", "0.0.0.0"):
        assert gone not in left.replace("'rabbitmq'", "")


def test_queues_and_state_are_files_that_go_away(path: Path) -> None:
    config = developed(path)
    assert config.queues.backend == "sqlite"
    assert Path(config.queues.path).is_relative_to(path.parent / "dev")
    assert Path(config.runtime_dir).is_relative_to(path.parent / "dev")


def test_what_is_about_the_app_stays(path: Path) -> None:
    orders = developed(path).routes["orders"]
    assert (orders.topics, orders.order, orders.handlers) == (("orders", "old-orders"), "key", 3)
    assert orders.retry.attempts == 4


def test_each_route_has_a_group_of_its_own_and_every_mode_runs(path: Path) -> None:
    config = developed(path)
    assert [route.kafka["group.id"] for route in config.routes.values()] == [
        "billing.orders",
        "billing.invoices",
    ]
    assert len(config.modes) == 4


def test_topics_are_those_that_have_a_name(path: Path) -> None:
    config = load_what_is_set(path)
    assert topics(config) == ["orders", "old-orders", "paid", "late"]
    assert [topic_of(config, word) for word in ("orders", "invoices", "old-orders", "elsewhere")] == [
        "orders",
        "paid",
        "old-orders",
        "elsewhere",
    ]


def test_a_topic_that_no_route_reads_is_known(path: Path) -> None:
    config = load_what_is_set(path)
    read = [is_read(config, one) for one in ("orders", "invoices-7", "paid", "ordres", "my-invoices-7")]
    assert read == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('a "b" \\ ü', '"a \\"b\\" \\\\ \\u00fc"'),
        (10, "10"),
        (["a", "b"], '["a", "b"]'),
        ({"a.b": "c", "d": {}}, '{"a.b" = "c", "d" = {}}'),
    ],
)
def test_values_are_written_as_toml(value: object, text: str) -> None:
    assert toml(value) == text
