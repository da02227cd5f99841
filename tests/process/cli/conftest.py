"""A folder with a config and its app, and the command line called in it."""

from pathlib import Path

import pytest
from command_line import APP, CONFIG, Ringmain, ringmain


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A deployment: shop.toml and orders.py."""
    (tmp_path / "shop.toml").write_text(CONFIG.lstrip())
    (tmp_path / "orders.py").write_text(APP)
    return tmp_path


@pytest.fixture
def call(folder: Path) -> Ringmain:
    """call(*arguments, **environment) -> what `ringmain ARGUMENTS` did in that folder."""

    def calling(*arguments: str, **environment: str) -> object:
        return ringmain(*arguments, cwd=folder, **environment)

    return calling  # type: ignore[return-value]
