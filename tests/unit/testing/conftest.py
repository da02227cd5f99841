"""The fixture of the plugin under a short name: a harness that a test makes is closed at its end."""

import pytest

from ringmain.testing.plugin import MakeHarness, ringmain_harness

__all__ = ["ringmain_harness"]


@pytest.fixture
def harness(ringmain_harness: MakeHarness) -> MakeHarness:
    """Make a harness: harness(app, config)."""
    return ringmain_harness
