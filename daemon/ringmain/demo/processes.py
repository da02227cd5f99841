"""The demo's two own children beside the broker: the daemon, and the load.

stage.py enters. Each is a context manager that leaves no process behind.
"""

import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from ringmain.demo import tether
from ringmain.demo.reports import Reports
from ringmain.demo.snapshot import Counted, Tick
from ringmain.errors import RingmainError

LOG_NAME = "daemon.log"
HANDLER = " handler "

_STOP_S = 15.0
_LAST_WORDS = 10


class Daemon:
    """The daemon with its log in a file beside the config."""

    def __init__(self, config: Path, environment: dict[str, str], hurry: Callable[[], bool]) -> None:
        self.log = config.parent / LOG_NAME
        self._environment = environment
        self._hurry = hurry
        self._argv = [sys.executable, "-m", "ringmain.demo.daemon", str(config)]
        self._process: subprocess.Popen[bytes] | None = None
        self._reports = Reports("daemon", Counted())

    def override(self, key: str, value: object) -> Self:
        """As `ringmain run --set KEY=VALUE`."""
        self._argv.append(f"{key}={value}")
        return self

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            command = tether.Command(self._argv, self._environment, stdout=subprocess.PIPE, stderr=log)
            self._process = tether.start(command)
        self._reports.begin(tether.stdout_of(self._process))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process:
            tether.stop(self._process, _STOP_S, self._hurry)
            tether.close_stdout(self._process)

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
        """What it has counted."""
        try:
            return self._reports.look()
        except RingmainError:
            self.check()
            raise

    def handlers(self) -> int:
        """Its handler processes of this moment, known by their titles as `ps` shows them."""
        return sum(HANDLER in title for title in titles_below(self.pid))

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_LAST_WORDS:])


class Load:
    """`python -m ringmain.demo.load`: sends, and says how far all are."""

    def __init__(self, broker: str, partitions: int, messages: int | None) -> None:
        arguments = (broker, str(partitions), str(messages or 0))
        self._argv = [sys.executable, "-m", "ringmain.demo.load", *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self._reports = Reports("load", Tick([0] * partitions, [0] * partitions))

    def __enter__(self) -> Self:
        self._process = tether.start(tether.Command(self._argv, stdout=subprocess.PIPE, stderr=None))
        self._reports.begin(tether.stdout_of(self._process))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process:
            tether.kill(self._process)
            tether.close_stdout(self._process)

    def wait_for_the_topic(self) -> None:
        """Return once the topic is there: the load's first word."""
        self._reports.wait()

    def look(self) -> Tick:
        """The newest tick; RingmainError if the load has ended."""
        return self._reports.look()


def titles_below(pid: int) -> list[str]:
    """The titles of a process's children, as `ps` shows them."""
    titles = []
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                titles.append(Path(f"/proc/{child}/cmdline").read_bytes().rstrip(b"\0").decode())
    return titles
