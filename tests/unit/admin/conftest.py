"""A node's admin without a server: the config may be changed by `@pytest.mark.parametrize("tables", ...)`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from site_under_test import Answering, Client, answering, config_in, seat_of

from ringmain.config.schema import Config
from ringmain.seat import Seat


@pytest.fixture
def tables() -> dict[str, Any]:
    """Of the config, beside what it must have."""
    return {}


@pytest.fixture
def config(tmp_path: Path, tables: dict[str, Any]) -> Config:
    return config_in(tmp_path, **tables)


@pytest.fixture
def supervisor(config: Config) -> Iterator[Answering]:
    with answering(config) as one:
        yield one


@pytest.fixture
def seat(config: Config) -> Iterator[Seat]:
    with seat_of(config) as one:
        yield one


@pytest.fixture
def client(seat: Seat, supervisor: Answering) -> Client:
    return Client(seat)
