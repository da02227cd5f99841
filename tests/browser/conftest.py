"""What the page's tests share: Chromium, watched for errors of the page, and where pictures are kept."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.chromium import ALBUM, Browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """A real Chromium. Whatever a test does, nothing may go wrong in the page's scripts meanwhile."""
    chromium.console()
    yield chromium
    said = chromium.console()
    chromium.leave()
    assert said == []


@pytest.fixture(scope="session")
def album() -> Path:
    """Where what was seen is kept, for people to look at."""
    return ALBUM
