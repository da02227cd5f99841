"""`queues.url`: what cannot be read, or would silently mean something else, is refused at once."""

import pytest
from smallest_config import SMALLEST, Read, Refuse

RABBIT = SMALLEST.replace('backend = "sqlite"', 'backend = "rabbitmq"')


@pytest.mark.parametrize(
    "url",
    [
        "amqp://h",
        "amqp://h/",
        "amqp://h//",  # as Celery writes the virtual host "/"
        "amqp://h:5672/%2F",
        "amqps://u:p%2F%40@h:5671/billing",
        "amqp://[::1]:5672/a%2Fb",
    ],
)
def test_a_url_that_says_where_rabbitmq_is(read: Read, url: str) -> None:
    assert read(text=RABBIT, overrides=(f'queues.url="{url}"',)).queues.url == (url,)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://h/", "such as amqp://HOST:5672/VHOST"),
        ("amqp://", "such as amqp://HOST:5672/VHOST"),
        ("amqp://:5672/", "it needs a host, and a port from 1 to 65535"),
        ("amqp://h:0/", "it needs a host, and a port from 1 to 65535"),
        ("amqp://h:port/", "its host or port cannot be read"),
        ("amqp://h:70000/", "its host or port cannot be read"),
        ("amqp://[::1/", "its host or port cannot be read"),
        ("amqp://u:pass/word@h/", "in a password write / as %2F"),
        ("amqp://h/%2F?heartbeat=5", "what follows ? or # is not read"),
        ("amqp://h/a/b", "one virtual host behind the host: write / in it as %2F"),
    ],
)
def test_a_url_that_cannot_be_read_as_it_is_meant(refuse: Refuse, url: str, said: str) -> None:
    for value in (f'"{url}"', f'["amqp://fine/", "{url}"]'):
        [line] = refuse(text=RABBIT, overrides=(f"queues.url={value}",))
        assert "queues.url: expected an amqp:// or amqps:// URL, or a list of them (" in line
        assert said in line
        assert "pass/word" not in line
