"""A connection for who may wait: ask and be answered, one question after another.

The dead set, `try_out`, `depths` and tests enter; nothing that runs in a loop with others. Everything that
goes wrong with the connection is QueuesAway, and a line that was lost stays lost: open another one.

    with closing(Line(access)) as line:
        channel = line.channel()
        answer = line.ask(channel, topology.exists(queue))      DeclareOk, or Channel.Close = refused
        line.ask(channel, spec.Basic.Consume(queue=…, consumer_tag="a"))
        for event in line.events(wait_s=1.0): ...               Delivered, Confirm, Returned, Reply
        line.send(amqp.ack(channel, tag, multiple=True))
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

from pika import spec

from ringmain.clock import monotonic_s
from ringmain.errors import QueuesAway
from ringmain.queues.rabbit import amqp
from ringmain.queues.rabbit.access import Access
from ringmain.queues.rabbit.amqp import Reply
from ringmain.queues.rabbit.connection import Connection, Event, Lost, Opened

ANSWER_S = 30.0
"""Longest wait for an answer; a quorum queue's declare may have to elect a leader first."""


class Line:
    """One open connection; QueuesAway in the constructor when no address gives one."""

    def __init__(self, access: Access) -> None:
        self._connection = Connection(access)
        self._heard: deque[Event] = deque()
        self._last_channel = 0
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    @property
    def frame_bytes(self) -> int:
        """The largest frame, for amqp.content."""
        return self._connection.frame_bytes

    @property
    def where(self) -> str:
        """host:port of the broker that answered."""
        return str(self._connection.address)

    def channel(self) -> int:
        """Another channel, open."""
        return self.channels(1)[0]

    def channels(self, count: int) -> list[int]:
        """Several more, open."""
        first = self._last_channel + 1
        self._last_channel += count
        numbers = list(range(first, first + count))
        self.ask_all([(number, spec.Channel.Open()) for number in numbers])
        return numbers

    def reopen(self, channel: int) -> None:
        """Open a channel that the broker closed (an answer was Channel.Close)."""
        self.ask(channel, spec.Channel.Open())

    def ask(self, channel: int, method: Any) -> Any:
        """The answer: the method's Ok, or Channel.Close. What else comes meanwhile is kept for events()."""
        return self.ask_all([(channel, method)])[0]

    def ask_all(self, questions: Sequence[tuple[int, Any]]) -> list[Any]:
        """Answers to questions that go out together, each on a channel of its own: one round trip for all."""
        self.send(*(amqp.method(channel, method) for channel, method in questions))
        answers: dict[int, Any] = {}
        wanted = {channel for channel, _ in questions}
        deadline_s = monotonic_s() + ANSWER_S
        kept: list[Event] = []
        while len(answers) < len(wanted):
            for event in self.events(deadline_s - monotonic_s()):
                if type(event) is Reply and event.channel in wanted and _is_answer(event.method):
                    answers[event.channel] = event.method
                else:
                    kept.append(event)
            if monotonic_s() >= deadline_s:
                raise QueuesAway(f"RabbitMQ at {self.where}: no answer within {ANSWER_S:g} s")
        self._heard.extendleft(reversed(kept))
        return [answers[channel] for channel, _ in questions]

    def send(self, *frames: bytes) -> None:
        """Frames that have no answer: publishes, acks."""
        self._connection.send(*frames)

    def events(self, wait_s: float) -> list[Event]:
        """What happened, as soon as something did; [] after wait_s. QueuesAway when all is lost."""
        deadline_s = monotonic_s() + wait_s
        while not self._heard:
            self._pump()
            if self._heard or monotonic_s() >= deadline_s:
                break
            self._wait(deadline_s)
        heard = list(self._heard)
        self._heard.clear()
        return heard

    def close(self) -> None:
        """Let go: what was held goes back."""
        self._connection.close()

    def _open(self) -> None:
        while not self._connection.is_open:
            self._heard.extend(self._connection.pump())
            if self._connection.tried_all() and not self._connection.is_open:
                away = self._connection.away()
                raise QueuesAway(away.reason if away else "RabbitMQ does not answer")
            if not self._connection.is_open:
                self._wait(monotonic_s() + 1.0)
        self._heard = deque(event for event in self._heard if type(event) is not Opened)

    def _pump(self) -> None:
        for event in self._connection.pump():
            if type(event) is Lost:
                raise QueuesAway(event.reason)
            self._heard.append(event)
        if not self._connection.is_open:
            raise QueuesAway(f"the connection to RabbitMQ at {self.where} is gone")

    def _wait(self, until_s: float) -> None:
        self._connection.wait(min(self._connection.timeout_s(), until_s - monotonic_s()))


def _is_answer(method: Any) -> bool:
    return isinstance(method, spec.Channel.Close) or str(method.NAME).endswith("Ok")
