"""What can be seen of a daemon of toy roles: its journal, its log, its processes."""

import contextlib
import json
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringmain import control
from ringmain.asking import ask
from ringmain.errors import NoAnswer
from support.leftovers import descendants
from support.waiting import PATIENCE_S, eventually

ASIDE = ("herald", "admin")


@dataclass(frozen=True)
class Entry:
    """One line of the journal."""

    at_s: float
    role: str
    pool: str
    source: str
    index: int
    pid: int
    incarnation: int
    event: str
    details: tuple[str, ...]


@dataclass
class Daemon:
    """A supervisor under test and what can be seen of it."""

    process: subprocess.Popen[bytes]
    directory: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def journal(self, role: str = "", event: str = "", source: str = "") -> list[Entry]:
        """What the toys have written, narrowed."""
        path = self.directory / "journal"
        lines = _whole_lines(path) if path.exists() else []
        return [
            e
            for e in map(_entry, lines)
            if role in ("", e.role) and event in ("", e.event) and source in ("", e.source)
        ]

    def log(self, event: str = "") -> list[dict[str, Any]]:
        """The lines of the log, narrowed to an event."""
        lines = _whole_lines(self.directory / "log")
        entries = [json.loads(line) for line in lines if line.startswith("{")]
        return [entry for entry in entries if event in ("", entry["event"])]

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, deadline_s: float = PATIENCE_S) -> int:
        return self.process.wait(deadline_s)

    def stop(self) -> int:
        """A graceful stop and its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    @property
    def socket(self) -> Path | None:
        """Where it listens, once it does."""
        return next(self.directory.glob("run/toy/*.control"), None)

    def ask(self, request: control.Request) -> control.Reply:
        """Its answer, as soon as it listens."""

        def answer() -> control.Reply | None:
            with contextlib.suppress(NoAnswer):
                return ask(str(self.socket), request, 10.0)
            return None

        return eventually(answer, message="it listens")

    def look(self) -> control.Node:
        """The picture."""
        node = self.ask(control.Look())
        assert isinstance(node, control.Node), node
        return node

    def says(self, words: str, ready: bool = False) -> control.Unwell:
        """Wait for a reason with these words."""

        def found() -> control.Unwell | None:
            reasons = self.look().reasons
            return next((one for one in reasons if words in one.reason and one.ready is ready), None)

        return eventually(found, PATIENCE_S, f"a reason with {words!r}: {self.look().reasons}")

    def is_ready(self) -> bool:
        """Wait until nothing is wrong."""
        return eventually(lambda: self.look().ready, PATIENCE_S, f"it is ready: {self.look().reasons}")

    def children(self) -> set[int]:
        return descendants(self.pid)

    def at_work(self, count: int) -> None:
        """Wait until so many children have come to work; those whose roles stand ASIDE do not count."""

        def counted() -> bool:
            return len([one for one in self.log("child at work") if one["child"] not in ASIDE]) >= count

        self.until(counted, f"{count} children at work")

    def until(self, condition: Callable[[], object], message: str = "") -> None:
        """Wait for a condition while the daemon lives; its log is the message when it does not."""

        def seen() -> object:
            if self.process.poll() is not None and not condition():
                raise RuntimeError("the daemon ended: " + (self.directory / "log").read_text()[-2000:])
            return condition()

        eventually(seen, message=message)


def _whole_lines(path: Path) -> list[str]:
    text = path.read_text()
    return text[: text.rfind("\n") + 1].splitlines()


def _entry(line: str) -> Entry:
    at_s, role, pool, source, index, pid, incarnation, event, *details = line.split()
    return Entry(
        float(at_s), role, pool, source, int(index), int(pid), int(incarnation), event, tuple(details)
    )
