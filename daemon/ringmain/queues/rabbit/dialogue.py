"""Questions and answers on one channel, written one after another as a generator.

Publisher, taker and line.py enter. A script yields a method and is sent the broker's answer; Channel.Close as
an answer means that the broker refused, and the channel is opened again before the next method. Scripts run
one at a time in the order given; those of a lost connection are dropped, unfinished.

    def declaring(self) -> Script:
        answer = yield topology.declare(queue)
        if isinstance(answer, spec.Channel.Close): ...
"""

from collections import deque
from collections.abc import Generator
from typing import Any

from pika import spec

from ringmain.queues.rabbit import amqp
from ringmain.queues.rabbit.connection import Connection

Script = Generator[Any, Any, None]


class Dialogue:
    """One channel of a connection; opened with its first question."""

    def __init__(self, connection: Connection, channel: int) -> None:
        self._connection = connection
        self.channel = channel
        self.is_open = False
        self._scripts: deque[Script] = deque()
        self._current: Script | None = None
        self._asked: Any = None

    @property
    def broker(self) -> tuple[str, str]:
        """Product and version that the broker gave itself."""
        return self._connection.broker

    @property
    def busy(self) -> bool:
        """Is an answer awaited?"""
        return self._current is not None

    def run(self, script: Script) -> None:
        """Begin, or wait for those before. Only while the connection is open."""
        self._scripts.append(script)
        if self._current is None:
            self._next()

    def drop(self) -> None:
        """The connection is gone, and the channel with it."""
        self.is_open, self._current = False, None
        self._scripts.clear()

    def answer(self, method: Any) -> bool:
        """Give the broker's method to who waits for it; False when nobody does: then it is news."""
        if isinstance(method, spec.Channel.OpenOk):
            self.is_open = True
            self._say(self._asked)
        elif isinstance(method, spec.Channel.Close):
            self.is_open = False
            if self._current is None:
                return False
            self._step(method)
        elif self._current is None or not method.NAME.endswith("Ok"):
            return False
        else:
            self.is_open &= not isinstance(method, spec.Channel.CloseOk)
            self._step(method)
        return True

    def _next(self) -> None:
        if self._scripts:
            self._current = self._scripts.popleft()
            self._step(None)

    def _step(self, answer: Any) -> None:
        assert self._current is not None
        try:
            self._asked = self._current.send(answer)
        except StopIteration:
            self._current = None
            self._next()
            return
        self._say(self._asked if self.is_open else spec.Channel.Open())

    def _say(self, method: Any) -> None:
        self._connection.send(amqp.method(self.channel, method))
