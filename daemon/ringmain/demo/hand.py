"""Whoever makes topics and sends messages without holding a Kafka client: the parent's side of typist.py.

development.py and the live harness enter. One question at a time; nobody waits for ever.
"""

import contextlib
import select
import subprocess
import sys
from types import TracebackType
from typing import Self

import msgspec

from ringmain.demo import tether

_ANSWER_S = 20.0
_NOBODY = "who sends to the embedded broker has ended; start again"


class Request(msgspec.Struct):
    """A topic to be there; with `value`, a message to be in it."""

    topic: str
    value: bytes | None = None
    key: bytes | None = None


class Answer(msgspec.Struct):
    """What came of it; "" = nothing is wrong."""

    problem: str = ""


class Hand:
    """The typist's process."""

    def __init__(self, broker: str, partitions: int) -> None:
        self._argv = [sys.executable, "-m", "ringmain.demo.typist", broker, str(partitions)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = tether.Command(self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None)
        self._process = tether.start(command)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process:
            tether.kill(self._process)
            for pipe in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):  # what was not written to one that has ended
                    if pipe:
                        pipe.close()

    def ask(self, request: Request) -> str:
        """Have it done; what is wrong, "" = nothing."""
        assert self._process
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(msgspec.json.encode(request) + b"\n")
            self._process.stdin.flush()
        except OSError:
            return _NOBODY
        if not select.select([self._process.stdout], [], [], _ANSWER_S)[0]:
            tether.kill(self._process)  # an answer that comes late would be taken for the next one's
            return "the embedded broker does not answer"
        line = self._process.stdout.readline()
        return msgspec.json.decode(line, type=Answer).problem if line else _NOBODY
