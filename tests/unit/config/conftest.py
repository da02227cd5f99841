"""The smallest config read with additions, and what is said when it is refused."""

from pathlib import Path

import pytest
from smallest_config import SMALLEST, Read, Refuse

from ringmain.config.load import load
from ringmain.config.schema import Config
from ringmain.errors import ConfigError


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """read(*additions, overrides=()) -> the config of SMALLEST with more at its end."""

    def reading(*additions: str, text: str = SMALLEST, overrides: tuple[str, ...] = ()) -> Config:
        file = tmp_path / "ringmain.toml"
        file.write_text(text.lstrip("\n") + "\n".join(additions), encoding="utf-8")
        return load(file, overrides)

    return reading


@pytest.fixture
def refuse(read: Read, tmp_path: Path) -> Refuse:
    """The problems of such a config, one line each, its folder left out."""

    def refusing(*additions: str, text: str = SMALLEST, overrides: tuple[str, ...] = ()) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            read(*additions, text=text, overrides=overrides)
        return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]

    return refusing
