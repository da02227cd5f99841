"""Single keys from a terminal, without echo and without waiting for Enter.

top.py enters. Where stdin is no terminal there are no keys, and waiting is all that happens.
"""

import os
import select
import sys
import termios
import tty
from types import TracebackType
from typing import Any, Self

_NAMES = {
    "\x1b[A": "up", "\x1bOA": "up", "k": "up", "\x1b[B": "down", "\x1bOB": "down", "j": "down",
    "\x1b[5~": "page up", "\x1b[6~": "page down", " ": "page down",
    "\x1b[H": "home", "\x1b[1~": "home", "g": "home", "\x1b[F": "end", "\x1b[4~": "end", "G": "end",
    "q": "quit", "Q": "quit", "p": "pause", "P": "pause", "a": "all", "A": "all",
    "\x03": "quit", "\x04": "quit",
}  # fmt: skip
_MOST = 64


class Keys:
    """The keyboard for the time of a `with` block."""

    def __init__(self) -> None:
        self._terminal = sys.stdin.fileno() if sys.stdin.isatty() else -1
        self._before: list[Any] = []

    def __enter__(self) -> Self:
        if self._terminal >= 0:
            self._before = termios.tcgetattr(self._terminal)
            tty.setcbreak(self._terminal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal >= 0:
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)

    def wait(self, timeout_s: float) -> list[str]:
        """The names of the keys that were pressed, at most so long after now."""
        listening = [self._terminal] if self._terminal >= 0 else []
        ready, _, _ = select.select(listening, [], [], max(timeout_s, 0.0))
        if not ready:
            return []
        pressed = os.read(self._terminal, _MOST).decode(errors="replace")
        return named(pressed) if pressed else ["quit"]


def named(pressed: str) -> list[str]:
    """The keys in what a terminal sent; what has no meaning here is left out."""
    names = []
    while pressed:
        length = next((n for n in range(min(len(pressed), 4), 0, -1) if pressed[:n] in _NAMES), 0)
        if length:
            names.append(_NAMES[pressed[:length]])
        pressed = pressed[length or 1 :]
    return names
