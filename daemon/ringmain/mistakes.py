"""What is wrong with an app's functions, said together: who loads it gathers, anybody else is told at once.

The App enters with each function that is registered, `loading` around an import.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ringmain.errors import AppError

_gathered: ContextVar[list[str] | None] = ContextVar("ringmain.mistakes", default=None)


@contextmanager
def noted() -> Iterator[None]:
    """An AppError is kept for the end where somebody gathers; what comes next is looked at as well."""
    try:
        yield
    except AppError as error:
        if (lines := _gathered.get()) is None:
            raise
        lines.append(str(error))


@contextmanager
def gathered() -> Iterator[None]:
    """One AppError for all that was noted, and for the one that ended it."""
    lines: list[str] = []
    before = _gathered.set(lines)
    try:
        yield
    except AppError as error:
        if lines:
            raise AppError("\n".join([*lines, str(error)])) from error
        raise
    finally:
        _gathered.reset(before)
    if lines:
        raise AppError("\n".join(lines))
