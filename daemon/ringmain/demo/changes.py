"""Which files of an app have changed. The only place that knows watchfiles.

development.py enters. Python files and config files count, wherever below the folder; environments, caches
and what is hidden do not.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from ringmain.errors import RingmainError

EXTENSIONS = (".toml", ".avsc")
"""What counts beside Python's own files: configs, schemas."""
LOOK_MS = 200
"""How often nothing is reported, so that whoever waits sees to other things."""
_TOGETHER_MS = 300
"""Changes that follow each other this fast are one: an editor writes a file in several steps."""


def changes(folder: Path) -> Iterator[list[Path]]:
    """Files that have changed, sorted; now and then an empty list. Without end."""
    try:
        import watchfiles
    except ImportError:
        raise RingmainError(
            "what watches files is not installed; pip install 'ringmain[dev]' brings it"
        ) from None
    found = watchfiles.watch(
        folder,
        watch_filter=watchfiles.PythonFilter(extra_extensions=EXTENSIONS),
        debounce=_TOGETHER_MS,
        rust_timeout=LOOK_MS,
        yield_on_timeout=True,
        raise_interrupt=False,
    )
    return _sorted(found)


def _sorted(found: Iterable[Iterable[tuple[object, str]]]) -> Iterator[list[Path]]:
    for changed in found:
        yield sorted({Path(path) for _, path in changed})
