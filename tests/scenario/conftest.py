"""A scenario on the session's Kafka; whoever needs a Kafka of its own makes a Scenario on it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.kafka_server import KafkaServer
from support.leftovers import Leftovers
from support.rabbit_server import RabbitServer
from support.scenario import Scenario


@pytest.fixture
def scenario(leftovers: Leftovers, kafka: KafkaServer, tmp_path: Path) -> Iterator[Scenario]:
    """At its end no process, no shared memory and no file of the daemon is left, or the test fails."""
    made = Scenario(tmp_path / "scenario", kafka, leftovers)
    yield made
    made.close()


@pytest.fixture(scope="session", params=["sqlite", "rabbitmq"])
def queue_server(request: pytest.FixtureRequest) -> RabbitServer | None:
    """Each backend in turn; of the session, so that a server runs before a test looks what was there."""
    server: RabbitServer | None = request.getfixturevalue("rabbit") if request.param == "rabbitmq" else None
    return server


@pytest.fixture
def queues(queue_server: RabbitServer | None, tmp_path: Path) -> dict[str, Any]:
    """`[queues]` that all nodes of a scenario share."""
    if queue_server is None:
        return {"backend": "sqlite", "path": str(tmp_path / "queues.db")}
    return {"backend": "rabbitmq", "url": queue_server.url}
