"""What `[queues]` says becomes an Access: addresses, who we are there, which files."""

import re
from pathlib import Path

import pytest

from ringmain.config.load import load
from ringmain.queues.connect import connect
from ringmain.queues.rabbit import RabbitQueues, address
from support.sources import CHECKOUT

SMALLEST = """
app = "shop:app"
name = "shop"
kafka.bootstrap.servers = "127.0.0.1:9"
kafka.group.id = "shop"
routes.orders.topics = ["orders"]
routes.orders.order = "none"
routes.orders.channels.slow.handlers = 1
"""


def test_what_the_readme_shows_is_where_it_connects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RABBIT_PASSWORD", "secret")
    chapter = (CHECKOUT / "README.md").read_text().partition("\n## RabbitMQ\n")[2]
    shown = re.search(r"```toml\n(.*?)```", chapter, re.DOTALL)
    assert shown is not None
    (tmp_path / "ringmain.toml").write_text(SMALLEST + shown[1])
    config = load(tmp_path / "ringmain.toml")
    queues = connect(config)
    assert isinstance(queues, RabbitQueues)
    access = queues._access
    assert [str(one) for one in access.addresses] == ["rabbit-1:5671", "rabbit-2:5671"]
    assert {one[2:] for one in access.addresses} == {("billing", "billing", "secret", True)}
    assert access.tls.ca == "/etc/ssl/ours.pem"
    assert {"shop.orders.ready", "shop.orders.slow.dead", "shop.orders.overflow"} <= set(queues.every_queue())


def test_a_url_says_all_that_it_can_and_its_parts_are_unquoted() -> None:
    assert address("amqp://me:p%40ss@host:5/%2Fv")[:5] == ("host", 5, "/v", "me", "p@ss")
    assert address("amqp://host")[:5] == ("host", 5672, "/", "guest", "guest")
    assert address("amqps://[::1]/%2F")[:3] == ("::1", 5671, "/")
    assert str(address("amqp://[::1]")) == "[::1]:5672"
    assert address("amqp://host", "you", "")[3:5] == ("you", "")
