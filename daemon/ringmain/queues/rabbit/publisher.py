"""Messages into RabbitMQ, confirmed: many under way at once on one connection.

The courier holds one. Every message is mandatory and persistent and goes to the default exchange, so its
routing key is its queue. LOSS: only the broker's ack confirms. What was under way when a connection or its
channel ended, what the broker refused (nack) and what found no queue is lost: the courier publishes it again.

    publish -> (queue declared?) -> under way -> ack: confirmed | nack, return, end: lost | too large: refused
"""

import logging
import random
from collections.abc import Sequence

from pika import spec

from ringmain.clock import monotonic_s
from ringmain.queues.backoff import Backoff
from ringmain.queues.contract import Away, Refused, Settled, Ticket
from ringmain.queues.envelope import Envelope, Packed
from ringmain.queues.rabbit import amqp, fields
from ringmain.queues.rabbit.access import Access
from ringmain.queues.rabbit.amqp import Confirm, Reply, Returned
from ringmain.queues.rabbit.connection import Connection, Event, Lost, Opened
from ringmain.queues.rabbit.declaring import Declaring
from ringmain.queues.rabbit.dialogue import Dialogue, Script
from ringmain.queues.rabbit.flight import Flight, Sent
from ringmain.queues.rabbit.topology import Topology, message_limit, said

WINDOW = 10_000
WINDOW_BYTES = 64 << 20
SILENT_S = 15.0
"""So long without a confirm while something is under way: a quorum queue has no majority, or a disk hangs."""
_PUBLISHING, _DECLARING = 1, 2
_OVERHEAD_BYTES = 256

log = logging.getLogger(__name__)

Message = tuple[Ticket, str, Envelope | Packed]


class RabbitPublisher:
    """contract.Publisher over one connection of its own."""

    def __init__(self, access: Access, topology: Topology) -> None:
        self._connection = Connection(access)
        self._channel = Dialogue(self._connection, _PUBLISHING)
        self._declaring = Declaring(Dialogue(self._connection, _DECLARING), topology)
        self._flight = Flight()
        self._heads: dict[str, bytes] = {}
        self._waiting: dict[str, list[Message]] = {}
        self._last_ticket = 0
        self._settled = Settled([], [], [])
        self._accepting = False
        self._refusing = Backoff()
        self._refusing_s = 0.0
        self._refusal = ""
        self._lacks_right = False
        self._confirmed_s = 0.0
        self.limit_bytes = 128 << 20
        """RabbitMQ's largest default; where the broker's own is less it says so, and the limit is learned."""

    def room(self) -> int:
        """What is left of the window; nothing while away, after a nack, or with enough bytes under way."""
        if not self._accepting or self._connection.away() or self._refusing.wait_s(monotonic_s()) > 0:
            return 0
        if self._flight.size_bytes >= WINDOW_BYTES:
            return 0
        return max(0, WINDOW - len(self._flight) - sum(map(len, self._waiting.values())))

    def publish(self, batch: Sequence[tuple[str, Envelope | Packed]]) -> list[Ticket]:
        """Sent at once where the queue is known; else as soon as it is there."""
        first = self._last_ticket + 1
        self._last_ticket += len(batch)
        tickets = list(range(first, self._last_ticket + 1))
        messages = [(ticket, *letter) for ticket, letter in zip(tickets, batch, strict=True)]
        if self._flows():
            self._send(messages)
        else:
            self._keep(messages)
        return tickets

    def pump(self) -> None:
        """Hear what became of what is under way, and go on."""
        for event in self._connection.pump():
            self._take_in(event)
        if self._connection.is_open:
            self._declaring.go_on(monotonic_s())
        if self._waiting and self._flows():
            for queue in [queue for queue in self._waiting if self._declaring.is_there(queue)]:
                self._send(self._waiting.pop(queue))
        elif self._waiting and self._connection.away() and not self._connection.is_open:
            for messages in self._waiting.values():
                self._settled.lost.extend(ticket for ticket, _, _ in messages)
            self._waiting.clear()

    def settled(self) -> Settled:
        """What the last pumps settled."""
        settled, self._settled = self._settled, Settled([], [], [])
        return settled

    def made(self) -> list[str]:
        """What was declared."""
        return self._declaring.made()

    def fileno(self) -> int | None:
        """The connection's."""
        return self._connection.fileno()

    def timeout_s(self) -> float | None:
        """The connection's, the end of a pause after a nack, or the next try to declare."""
        now_s = monotonic_s()
        pauses_s = [self._connection.timeout_s()]
        if (pause_s := self._refusing.wait_s(now_s)) > 0:
            pauses_s.append(pause_s)
        if (again_s := self._declaring.wait_s(now_s)) is not None:
            pauses_s.append(again_s)
        return min(pauses_s)

    def away(self) -> Away | None:
        """No connection, publishers blocked, no confirm for long, or a queue that is not as it must be."""
        away, where = self._connection.away() or self._declaring.trouble(), self._connection.address
        if away is None and self._refusing.failures > 1:
            reason = f"RabbitMQ at {where} refuses messages ({self._refusal}"
            return Away(reason, self._refusing_s, refused=self._lacks_right)
        if away is None and self._flight and monotonic_s() - self._confirmed_s >= SILENT_S:
            return Away(f"RabbitMQ at {where} is connected and confirms nothing", self._confirmed_s)
        return away

    def close(self) -> None:
        """Let go; what is under way was never confirmed."""
        self._accepting = False
        self._connection.close()

    # -- out ---------------------------------------------------------------------------------------------

    def _flows(self) -> bool:
        return self._accepting and self._connection.away() is None

    def _keep(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._waiting.setdefault(message[1], []).append(message)

    def _send(self, messages: Sequence[Message]) -> None:
        """PERF: one write for the whole batch."""
        frame_bytes, pieces = self._connection.frame_bytes, []
        if not self._flight:
            self._confirmed_s = monotonic_s()
        for message in messages:
            ticket, queue, envelope = message
            if not self._declaring.is_there(queue):
                self._keep([message])
                continue
            properties, body = fields.write(envelope, frame_bytes)
            if len(body) > self.limit_bytes:
                self._settled.refused.append(Refused(ticket, self._too_large(len(body))))
                continue
            head = self._heads.get(queue)
            if head is None:
                head = self._heads[queue] = amqp.publish_method(_PUBLISHING, queue)
            pieces.append(head)
            pieces += amqp.content(_PUBLISHING, properties, body, frame_bytes)
            size = len(body) + len(properties) + _OVERHEAD_BYTES
            self._flight.add(Sent(ticket, queue, len(body), size))
        if pieces:
            self._connection.send(*pieces)

    def _too_large(self, size: int) -> str:
        return f"{size} bytes are above the broker's max_message_size of {self.limit_bytes}"

    # -- in ----------------------------------------------------------------------------------------------

    def _take_in(self, event: Event) -> None:
        if isinstance(event, Confirm):
            self._confirm(event)
        elif isinstance(event, Returned):
            self._declaring.forget(event.queue)
            self._flight.doom(event.queue)
        elif isinstance(event, Opened):
            self._channel.run(self._opening())
        elif isinstance(event, Lost):
            self._accepting = False
            self._channel.drop()
            self._declaring.drop()
            self._settled.lost.extend(sent.ticket for sent in self._flight.land())
        elif isinstance(event, Reply):
            self._reply(event)

    def _confirm(self, confirm: Confirm) -> None:
        spoken, doomed = self._flight.confirm(confirm.tag, confirm.multiple)
        self._confirmed_s = monotonic_s()
        self._settled.lost.extend(sent.ticket for sent in doomed)
        if confirm.safe:
            self._settled.confirmed.extend([sent.ticket for sent in spoken])
            if spoken and self._refusing.failures:
                self._refusing.succeeded()
            return
        self._settled.lost.extend(sent.ticket for sent in spoken)
        self._lacks_right = False
        self._refused("basic.nack): its log says why")

    def _refused(self, reason: str) -> None:
        """Of a burst the first counts; the next try waits, and the second in a row is an absence."""
        now_s = monotonic_s()
        if self._refusing.wait_s(now_s) > 0:
            return
        self._refusal = reason
        self._refusing_s = self._refusing_s if self._refusing.failures else now_s
        self._refusing.failed(now_s, random.random())

    def _reply(self, reply: Reply) -> None:
        if reply.channel == _DECLARING:
            self._declaring.answer(reply.method)
        elif not self._channel.answer(reply.method) and isinstance(reply.method, spec.Channel.Close):
            self._cut(reply.method)

    def _cut(self, close: spec.Channel.Close) -> None:
        """The broker closed the channel: too large a message, else nothing that we know of; open it again."""
        self._accepting = False
        limit = message_limit(close)
        if limit is not None:
            self.limit_bytes = min(self.limit_bytes, limit)
        else:
            if not self._refusing.failures:
                log.warning("rabbitmq closed the channel", extra={"reason": said(close)})
            self._lacks_right = close.reply_code == spec.ACCESS_REFUSED
            remedy = "the user needs to write to amq.default" if self._lacks_right else "its log says why"
            self._refused(f"{said(close)}): {remedy}")
        for sent in self._flight.land():
            if limit is not None and sent.body_bytes > limit:
                self._settled.refused.append(Refused(sent.ticket, self._too_large(sent.body_bytes)))
            else:
                self._settled.lost.append(sent.ticket)
        self._channel.run(self._opening())

    def _opening(self) -> Script:
        answer = yield spec.Confirm.Select()
        self._accepting = isinstance(answer, spec.Confirm.SelectOk)
