"""A scenario on the session's Kafka; whoever needs a Kafka of its own makes a Scenario on it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.kafka_server import KafkaServer
from support.leftovers import Leftovers
from support.scenario import Scenario


@pytest.fixture
def scenario(leftovers: Leftovers, kafka: KafkaServer, tmp_path: Path) -> Iterator[Scenario]:
    """At its end no process, no shared memory and no file of the daemon is left, or the test fails."""
    made = Scenario(tmp_path / "scenario", kafka, leftovers)
    yield made
    made.close()


@pytest.fixture(params=["sqlite"])
def queues(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """`[queues]` that all nodes of a scenario share, once for each backend."""
    assert request.param == "sqlite"
    return {"backend": "sqlite", "path": str(tmp_path / "queues.db")}
