"""Queue backends for the contract tests: each test of `queues` runs once per backend, on empty queues."""

from pathlib import Path

import pytest

from ringmain.queues.contract import Queues
from support.queue_backends import BACKENDS, RABBIT, empty


@pytest.fixture(params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def address(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What leads this and other processes to the same, empty queues."""
    if backend not in RABBIT:
        return str(tmp_path)
    server = request.getfixturevalue("rabbit")
    empty(server.url)
    return str(server.url)


@pytest.fixture
def queues(backend: str, address: str) -> Queues:
    return BACKENDS[backend](address)
