"""A harness that a test makes is closed at its end, or the next one would find its descriptors."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ringmain import App
from ringmain.testing import Harness

Make = Callable[..., Harness]


@pytest.fixture
def harness() -> Iterator[Make]:
    """Make a harness: harness(app, config)."""
    made: list[Harness] = []

    def make(app: App, config: Any = None, **settings: Any) -> Harness:
        made.append(Harness(app, config, **settings))
        return made[-1]

    yield make
    for each in made:
        each.close()
