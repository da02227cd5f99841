"""Waiting for a condition with a deadline: the only way a test lets time pass.

Every test that watches another process enters. Nothing here sleeps for a fixed time and hopes.
"""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 60.0
"""A condition that comes true costs no more for it; a machine at its limit may need it."""
FIRST_PAUSE_S = 0.002
LONGEST_PAUSE_S = 0.05


def eventually(condition: Callable[[], T], deadline_s: float = PATIENCE_S, message: str = "") -> T:
    """Return the first truthy value of `condition`; after `deadline_s` an AssertionError with the last one.

    An AssertionError inside the condition counts as "not yet", so a condition may be written as asserts
    that end in `return True`. Any other exception is the test's own error and goes up at once.
    """
    end_s = time.monotonic() + deadline_s
    pause_s = FIRST_PAUSE_S
    while True:
        seen, value = _ask(condition)
        if value:
            return value
        if time.monotonic() >= end_s:
            raise AssertionError(
                f"{message or _name(condition)}: not within {deadline_s:g} s; last seen: {seen}"
            )
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)


def never(condition: Callable[[], object], during_s: float, message: str = "") -> None:
    """AssertionError as soon as `condition` is truthy: what must not happen while something else goes on."""
    end_s = time.monotonic() + during_s
    while time.monotonic() < end_s:
        value = condition()
        if value:
            raise AssertionError(f"{message or _name(condition)}: happened: {value!r}")
        time.sleep(LONGEST_PAUSE_S)


def _ask(condition: Callable[[], T]) -> tuple[str, T | None]:
    try:
        value = condition()
    except AssertionError as not_yet:
        return f"AssertionError: {not_yet}", None
    return repr(value), value


def _name(condition: Callable[[], object]) -> str:
    return getattr(condition, "__qualname__", repr(condition))
