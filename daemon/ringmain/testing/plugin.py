"""The pytest plugin that comes with ringmain: the fixture `ringmain_harness`.

pytest enters by the entry point `pytest11`, in every run where ringmain is installed; so nothing is opened or
started before a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from ringmain.app import App
    from ringmain.testing.harness import Harness
    from ringmain.testing.settings import Given


class MakeHarness(Protocol):
    """What the fixture is: a function that makes harnesses."""

    def __call__(self, app: App, config: Given = None, *, hooks: bool = True) -> Harness: ...


@pytest.fixture
def ringmain_harness() -> Iterator[MakeHarness]:
    """Make a Harness: `ringmain_harness(app, config)`; on_stop is called and all is closed after the test."""
    from ringmain.testing.harness import Harness

    made: list[Harness] = []

    def make(app: App, config: Given = None, *, hooks: bool = True) -> Harness:
        made.append(Harness(app, config, hooks=hooks))
        return made[-1]

    yield make
    for each in reversed(made):
        each.close()
