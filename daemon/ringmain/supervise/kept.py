"""What a node keeps over restarts: small files in `state_dir`, each replaced as a whole.

Pauses and scales enter. A file that cannot be read is said and left where it is; what is kept in it counts as
nothing. Nothing here knows what is in the files.
"""

import logging
import os
from pathlib import Path

from ringmain.config.schema import Config

_log = logging.getLogger(__name__)


def path_of(config: Config, what: str) -> Path:
    """Where this node keeps its `what`."""
    return Path(config.state_dir) / f"{config.name}.{config.node}.{what}.json"


def read(path: Path) -> bytes:
    """What was kept, b"" when nothing was or it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        _log.error("what was kept cannot be read", extra={"file": str(path), "reason": error.strerror})
        return b""


def write(path: Path, data: bytes) -> None:
    """Replace the file: after a power cut it is the old one or the new one. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with open(fresh, "wb", opener=_private) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
