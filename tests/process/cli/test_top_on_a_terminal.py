"""`ringmain top` on a terminal of its own: it draws, obeys its keys, and leaves the terminal as it was."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import ENTRY
from msgspec.structs import replace
from standing_node import Standing, on_socket

from ringmain.control import Look
from support.environment import child_environment
from support.pictures import node
from support.waiting import eventually

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """80x24, with `ringmain top` in it."""

    def __init__(self, folder: Path) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(theirs)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", ENTRY, "top", "shop.toml", "--set", "node=here"],
            cwd=folder, env=child_environment(TERM="xterm-256color"),
            stdin=theirs, stdout=theirs, stderr=theirs,
        )  # fmt: skip
        self.theirs = theirs
        self._read = ""
        self._pressed_at = 0

    def said(self) -> str:
        """All that was written so far."""
        while select.select([self._ours], [], [], 0)[0]:
            self._read += os.read(self._ours, 1 << 16).decode(errors="replace")
        return self._read

    def shows(self, text: str) -> None:
        """Wait for it to be written since a key was pressed last."""
        eventually(
            lambda: text in ESCAPES.sub("", self.said()[self._pressed_at :]), message=f"top shows {text!r}"
        )

    def press(self, keys: str) -> None:
        """Type."""
        self._pressed_at = len(self.said())
        os.write(self._ours, keys.encode())

    def close(self) -> None:
        """Whatever still runs ends."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.theirs)
        os.close(self._ours)


@pytest.fixture
def here(folder: Path) -> Iterator[Standing]:
    with on_socket(folder / "run") as standing:
        yield standing


@pytest.fixture
def terminal(folder: Path, here: Standing) -> Iterator[Terminal]:
    made = Terminal(folder)
    try:
        made.shows("billing on web-1: ready")
        yield made
    finally:
        made.close()


def looks(here: Standing) -> int:
    return sum(isinstance(one, Look) for one in here.asked)


@pytest.mark.parametrize("end", ["q", "the interrupt key"])
def test_it_ends_well_and_leaves_the_terminal_as_it_was(end: str, terminal: Terminal) -> None:
    terminal.press("q") if end == "q" else terminal.process.send_signal(signal.SIGINT)
    eventually(lambda: terminal.process.poll() is not None, 30)
    assert terminal.process.returncode == 0
    assert "\x1b[?1049h" in terminal.said()
    assert terminal.said().rindex("\x1b[?1049l") > terminal.said().rindex("\x1b[?1049h")
    assert "Traceback" not in terminal.said()
    assert termios.tcgetattr(terminal.theirs) == terminal.before


def test_each_second_it_shows_what_is_new(terminal: Terminal, here: Standing) -> None:
    here.picture = replace(node(), node="web-9")
    terminal.shows("billing on web-9")


def test_paused_it_asks_no_more_until_it_goes_on(terminal: Terminal, here: Standing) -> None:
    terminal.press("p")
    terminal.shows("PAUSED")
    asked = looks(here)
    terminal.press("a")
    terminal.shows("PAUSED")
    assert looks(here) <= asked + 1
    here.picture = replace(node(), node="web-9")
    terminal.press("p")
    terminal.shows("billing on web-9")


def test_all_processes_are_a_key_and_a_scroll_away(terminal: Terminal) -> None:
    terminal.press("a")
    terminal.press("\x1b[F")
    terminal.shows("http://web-2:8100")
