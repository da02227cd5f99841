"""The demo's two own children beside the broker: the daemon, and the load.

stage.py enters. Each is a context manager that leaves no process behind.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from ringmain.demo import tether
from ringmain.demo.snapshot import Counted, Tick
from ringmain.errors import RingmainError

LOG_NAME = "daemon.log"
TALLY_NAME = "failed-calls"
HANDLER = " handler "

_STOP_S = 15.0
_LAST_WORDS = 10
_RINGMAIN = "import sys; from ringmain.cli import main; sys.exit(main())"


class Daemon:
    """`ringmain run CONFIG`, as a user would start it, with its log in a file beside the config."""

    def __init__(self, config: Path, environment: dict[str, str], hurry: Callable[[], bool]) -> None:
        self.log = config.parent / LOG_NAME
        self._config = config
        self._environment = environment
        self._hurry = hurry
        self._overrides: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None

    def override(self, key: str, value: object) -> Self:
        """`--set KEY=VALUE`."""
        self._overrides += ["--set", f"{key}={value}"]
        return self

    def __enter__(self) -> Self:
        argv = [sys.executable, "-c", _RINGMAIN, "run", str(self._config), *self._overrides]
        with self.log.open("wb") as log:
            command = tether.Command(argv, self._environment, stdout=log, stderr=log)
            self._process = tether.start(command)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process:
            tether.stop(self._process, _STOP_S, self._hurry)

    @property
    def pid(self) -> int:
        """The supervisor's process."""
        return self._process.pid if self._process else 0

    def check(self) -> None:
        """RingmainError with its last words if it has ended by itself."""
        code = self._process.poll() if self._process else None
        if code is not None:
            raise RingmainError(
                f"the daemon ended with exit code {code}; its last words:\n{self.last_words()}"
            )

    def counted(self) -> Counted:
        """What can be seen of it from outside: calls that failed, and handler processes."""
        tally = self._config.with_name(TALLY_NAME)
        handlers = sum(HANDLER in title for title in titles_below(self.pid))
        return Counted(retry=tally.stat().st_size if tally.exists() else 0, handlers=handlers)

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_LAST_WORDS:])


class Load:
    """`python -m ringmain.demo.load`: sends, and says how far all are."""

    def __init__(self, broker: str, partitions: int, messages: int | None) -> None:
        arguments = (broker, str(partitions), str(messages or 0))
        self._argv = [sys.executable, "-m", "ringmain.demo.load", *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""
        self._decoder = msgspec.json.Decoder(Tick)
        self.last = Tick([0] * partitions, [0] * partitions)

    def __enter__(self) -> Self:
        self._process = tether.start(tether.Command(self._argv, stdout=subprocess.PIPE, stderr=None))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process:
            tether.kill(self._process)
            if self._process.stdout:
                self._process.stdout.close()

    def wait_for_the_topic(self) -> None:
        """Return once the topic is there: the load's first word."""
        self._read()
        self._pipe(blocking=False)

    def look(self) -> Tick:
        """The newest tick; RingmainError if the load has ended."""
        while self._read():
            pass
        return self.last

    def _read(self) -> bool:
        try:
            arrived = os.read(self._pipe(), 1 << 16)
        except BlockingIOError:
            return False
        if not arrived:
            raise RingmainError("the demo's load ended by itself; what it said is above")
        *lines, self._unread = (self._unread + arrived).split(b"\n")
        if lines:
            self.last = self._decoder.decode(lines[-1])
        return True

    def _pipe(self, *, blocking: bool | None = None) -> int:
        if self._process is None or self._process.stdout is None:
            raise RingmainError("the demo's load was not started")
        if blocking is not None:
            os.set_blocking(self._process.stdout.fileno(), blocking)
        return self._process.stdout.fileno()


def titles_below(pid: int) -> list[str]:
    """The titles of a process's children, as `ps` shows them."""
    titles = []
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                titles.append(Path(f"/proc/{child}/cmdline").read_bytes().rstrip(b"\0").decode())
    return titles
