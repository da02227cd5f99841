"""Whoever makes topics, sends and looks for ends without a Kafka client: the parent's side of typist.py.

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
from ringmain.errors import RingmainError

_ANSWER_S = 20.0
_NOBODY = "who sends to the embedded broker has ended; start again"


class Request(msgspec.Struct, tag="send"):
    """A topic to be there; with `value`, a message to be in it."""

    topic: str
    value: bytes | None = None
    key: bytes | None = None


class Ends(msgspec.Struct, tag="ends"):
    """How far does every topic of the broker go now?"""


class Answer(msgspec.Struct):
    """What came of it; "" = nothing is wrong."""

    problem: str = ""
    ends: dict[str, list[int]] = {}
    """Topic -> the next offset of each of its partitions."""


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
        return self._answer(request).problem

    def ends(self) -> dict[str, list[int]]:
        """Of every topic: the next offset of each partition; RingmainError where the broker does not say."""
        answer = self._answer(Ends())
        if answer.problem:
            raise RingmainError(answer.problem)
        return answer.ends

    def _answer(self, question: Request | Ends) -> Answer:
        assert self._process
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(msgspec.json.encode(question) + b"\n")
            self._process.stdin.flush()
        except OSError:
            return Answer(_NOBODY)
        if not select.select([self._process.stdout], [], [], _ANSWER_S)[0]:
            tether.kill(self._process)  # an answer that comes late would be taken for the next one's
            return Answer("the embedded broker does not answer")
        line = self._process.stdout.readline()
        return msgspec.json.decode(line, type=Answer) if line else Answer(_NOBODY)
