"""The smallest config that is fine, and the shapes of the fixtures that vary it."""

from collections.abc import Callable

from ringmain.config.schema import Config

SMALLEST = """
app = "orders:app"
name = "billing"
[kafka]
bootstrap.servers = "127.0.0.1:9092"
group.id = "billing"
[queues]
backend = "sqlite"
[routes.orders]
topics = ["orders"]
order = "none"
"""

Read = Callable[..., Config]
Refuse = Callable[..., list[str]]
