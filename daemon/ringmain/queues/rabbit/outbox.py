"""Messages published and waited for: for who may wait, on a line that also has other messages in hand.

Hold and search enter. LOSS: "" is said of a message only when the broker has confirmed it.
"""

from collections.abc import Sequence

from pika import spec

from ringmain.clock import monotonic_s
from ringmain.errors import QueuesAway
from ringmain.queues.envelope import Envelope, Packed
from ringmain.queues.rabbit import amqp, fields
from ringmain.queues.rabbit.amqp import Confirm, Reply, Returned
from ringmain.queues.rabbit.connection import Event
from ringmain.queues.rabbit.flight import Flight, Sent
from ringmain.queues.rabbit.line import Line
from ringmain.queues.rabbit.scan import Scan
from ringmain.queues.rabbit.topology import Topology, said

CONFIRM_S = 60.0
_NO_CONFIRM = "the broker has not confirmed it"


class Outbox:
    """One publishing channel of a line."""

    def __init__(self, line: Line, topology: Topology, scan: Scan) -> None:
        self._line = line
        self._topology = topology
        self._scan = scan
        self._declared: set[str] = set()
        self._flight = Flight()
        self._channel = line.channel()
        line.ask(self._channel, spec.Confirm.Select())

    def send(self, letters: Sequence[tuple[str, Envelope | Packed]]) -> list[str]:
        """For each (queue, message) "" once it is confirmed, else why it is not."""
        if self._flight:
            self._leave_behind()
        said_of = [_NO_CONFIRM] * len(letters)
        for queue in {queue for queue, _ in letters} - self._declared:
            self._declare(queue)
        for number, (queue, message) in enumerate(letters):
            properties, body = fields.write(message, self._line.frame_bytes)
            frames = amqp.content(self._channel, properties, body, self._line.frame_bytes)
            self._flight.add(Sent(number, queue, len(body), len(body)))
            self._line.send(amqp.publish_method(self._channel, queue), *frames)
        deadline_s = monotonic_s() + CONFIRM_S
        while self._flight and monotonic_s() < deadline_s:
            for event in self._scan.listen(deadline_s - monotonic_s()):
                self._hear(event, said_of)
        return said_of

    def _declare(self, queue: str) -> None:
        for needed in self._topology.needed(queue):
            answer = self._line.ask(self._channel, self._topology.declare(needed))
            if isinstance(answer, spec.Channel.Close):
                self._reopen()
                raise QueuesAway(self._topology.refusal(needed, answer))
        self._declared.add(queue)

    def _leave_behind(self) -> None:
        """LOSS: a late confirm of an earlier batch must not speak for this one: another channel."""
        self._flight = Flight()
        self._channel = self._line.channel()
        self._line.ask(self._channel, spec.Confirm.Select())

    def _hear(self, event: Event, said_of: list[str]) -> None:
        if not isinstance(event, Confirm | Returned | Reply) or event.channel != self._channel:
            return
        if isinstance(event, Confirm):
            spoken, doomed = self._flight.confirm(event.tag, event.multiple)
            for sent in spoken:
                said_of[sent.ticket] = "" if event.safe else "the broker refused it: its queue is full"
            for sent in doomed:
                said_of[sent.ticket] = "its queue is gone"
        elif isinstance(event, Returned):
            self._declared.discard(event.queue)
            self._flight.doom(event.queue)
        else:
            self._cut(event, said_of)

    def _cut(self, reply: Reply, said_of: list[str]) -> None:
        """The broker closed the channel over a message; which were taken before it is not known."""
        if isinstance(reply.method, spec.Channel.Close):
            for sent in self._flight.land():
                said_of[sent.ticket] = said(reply.method)
            self._reopen()

    def _reopen(self) -> None:
        self._flight = Flight()
        self._line.reopen(self._channel)
        self._line.ask(self._channel, spec.Confirm.Select())
