"""The demo's own folder: a deployment of the sample app as a user has one, gone at the end.

stage.py enters. A demo that is killed cannot tidy; the next one removes what it left.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from ringmain import clock

PREFIX = "ringmain-demo-"
LOCK_NAME = "lock"
YOUNG_S = 60.0
"""A folder younger than this may be one that its demo has not locked yet."""

_FILES = ("orders.py", "ringmain.toml")


@contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder with a config file and a module, locked while it is in use."""
    sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, open(Path(name) / LOCK_NAME, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for each in _FILES:
            with resources.as_file(resources.files(__package__) / each) as source:
                shutil.copyfile(source, Path(name) / each)
        yield Path(name)


def sweep(where: Path) -> None:
    """Remove folders of demos that were killed: ours, nobody's any more, and not just made."""
    for each in where.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            seen = each.lstat()
            if seen.st_uid == os.getuid() and clock.wall_s() - seen.st_mtime > YOUNG_S:
                _remove_unless_locked(each)


def _remove_unless_locked(path: Path) -> None:
    # A link would lead out of here, and a folder without a lock is none of a demo's.
    number = os.open(path / LOCK_NAME, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path)
    finally:
        os.close(number)
