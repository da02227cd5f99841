"""The file that a node runs: read again for a reload, and kept as it was for whoever compares.

`run` and the reload enter, `check --diff` reads what is kept. It is the file's text, so that a secret which
the file only refers to is not in it, and it is the user's alone. A node whose config came from no file
keeps nothing.
"""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from ringmain.config.load import load, loads
from ringmain.config.schema import Config
from ringmain.errors import ConfigError, Problem

_MARK = "# ringmain is running: "
_log = logging.getLogger(__name__)


class Origin(msgspec.Struct, frozen=True):
    """Where the running config came from; the first line of what is kept."""

    path: str
    overrides: list[str]


class Running:
    """One node's file, with the overrides of its command line."""

    def __init__(self, config: Config, overrides: Iterable[str] = ()) -> None:
        self._config = config
        self._origin = Origin(config.path, list(overrides))
        self._kept = kept_path(config)

    def read(self) -> Config:
        """The config as the file is now; ConfigError says what is wrong with it."""
        return load(self._origin.path, self._origin.overrides) if self._origin.path else self._config

    def keep(self) -> None:
        """The file as it is now is what the node goes by."""
        if not self._origin.path:
            return
        try:
            text = Path(self._origin.path).read_text(encoding="utf-8-sig")
            fresh = self._kept.with_suffix(".new")
            with open(fresh, "w", encoding="utf-8", opener=_private) as file:
                file.write(f"{_MARK}{msgspec.json.encode(self._origin).decode()}\n{text}")
            os.replace(fresh, self._kept)
        except (OSError, ValueError) as error:
            said = {"file": str(self._kept), "reason": str(error)}
            _log.warning("the running config cannot be kept: check --diff will not know it", extra=said)

    def forget(self) -> None:
        """The node ends."""
        self._kept.unlink(missing_ok=True)


def kept_path(config: Config) -> Path:
    """Where the node keeps the text that it runs."""
    return Path(config.runtime_dir) / f"{config.name}.{config.node}.running.toml"


def kept_config(config: Config) -> tuple[Config, Origin]:
    """What the node of this config runs, and where it came from. ConfigError when that is not to be known."""
    path = kept_path(config)
    try:
        head, _, text = path.read_text(encoding="utf-8").partition("\n")
        origin = msgspec.json.decode(head.removeprefix(_MARK), type=Origin)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not what a node writes"
        raise ConfigError([Problem(str(path), "", f"cannot be read: {reason}")]) from None
    return loads(text, origin.overrides, folder=os.path.dirname(origin.path)), origin


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
