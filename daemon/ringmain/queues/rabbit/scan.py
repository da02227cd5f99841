"""Messages of queues as they lie there: taken in hand from the head, in order, and put back as they were.

Dead set, hold and search enter, behind a lock. RabbitMQ has no look that does not take: so a prefix is taken
without acking, as large as is needed, and given back at the end. LOSS: only `ack` removes. ORDER: consumers
are made one after another, each full before the next, and given back in that order; a connection that is lost
while messages are in hand shuffles a quorum queue, so whoever scans always ends by `release`.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from pika import spec

from ringmain.clock import monotonic_s
from ringmain.errors import QueuesAway
from ringmain.queues.envelope import Envelope, Foreign, Packed
from ringmain.queues.rabbit import amqp, fields
from ringmain.queues.rabbit.amqp import Delivered, Reply
from ringmain.queues.rabbit.connection import Event
from ringmain.queues.rabbit.line import Line
from ringmain.queues.rabbit.topology import exists, said

LARGEST_PREFETCH = 65_535
_GROWTH = 8
_SILENT_S = 5.0
_BACK_S = 2.0
_POLL_S = 0.01
_BUFFER_BYTES = 64 << 20
_ASKED_AT_ONCE = 100
_CONSUMER = "scan"


class Held(NamedTuple):
    """One message in hand."""

    queue: str
    channel: int
    tag: int
    message: Envelope | Packed | Foreign


class Scan:
    """What one line has in hand."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._arrived: dict[int, deque[Delivered]] = {}
        self._queue_of: dict[int, str] = {}
        self._in_hand: Counter[str] = Counter()
        self._free: list[int] = []
        self._ended: set[int] = set()

    def depths(self, queues: Sequence[str]) -> dict[str, int]:
        """How many wait in each of those that exist."""
        found: dict[str, int] = {}
        for first in range(0, len(queues), _ASKED_AT_ONCE):
            some = queues[first : first + _ASKED_AT_ONCE]
            channels = [self._channel() for _ in some]
            answers = self._line.ask_all(
                [(channel, exists(queue)) for channel, queue in zip(channels, some, strict=True)]
            )
            for queue, channel, answer in zip(some, channels, answers, strict=True):
                if isinstance(answer, spec.Channel.Close):
                    self._line.reopen(channel)
                else:
                    found[queue] = answer.message_count
            self._free += channels
        return found

    def rows(self, queue: str, waiting: int, want: int) -> Iterator[Held]:
        """The first `waiting` of a queue, oldest first; about `want` of them are taken in hand at first."""
        prefetch = max(1, want)
        while waiting > 0:
            step = min(prefetch, waiting, LARGEST_PREFETCH)
            channel, size_bytes = self._consume(queue, step), 0
            for _ in range(step):
                delivered = self._next(channel)
                if delivered is None:
                    return  # somebody else takes from it as well
                size_bytes += len(delivered.body)
                message = fields.read(delivered.properties, delivered.body)
                yield Held(queue, channel, delivered.tag, message)
            waiting -= step
            prefetch = min(step * _GROWTH, max(1, _BUFFER_BYTES // (size_bytes // step + 1)))

    def ack(self, held: Iterable[Held]) -> None:
        """These are gone for good; returns when the broker has heard it."""
        touched: dict[int, None] = {}
        acks = []
        for one in held:
            touched[one.channel] = None
            self._in_hand[one.queue] -= 1
            acks.append(amqp.ack(one.channel, one.tag, False))
        self._line.send(*acks)
        self._line.ask_all([(channel, spec.Basic.Qos(prefetch_count=1)) for channel in touched])

    def listen(self, wait_s: float) -> list[Event]:
        """What happened that is not ours: confirms and what else comes on the line's other channels."""
        others: list[Event] = []
        for event in self._line.events(wait_s):
            arrived = self._arrived.get(event.channel) if isinstance(event, Delivered | Reply) else None
            if arrived is None:
                others.append(event)
            elif isinstance(event, Delivered):
                arrived.append(event)
                self._in_hand[self._queue_of[event.channel]] += 1
            elif isinstance(event, Reply):
                self._note(event)
        return others

    def release(self) -> None:
        """All goes back to where it was, the first in hand first."""
        channels = list(self._arrived)
        if not channels:
            return
        self._line.ask_all([(channel, spec.Basic.Cancel(consumer_tag=_CONSUMER)) for channel in channels])
        self.listen(0)  # what came until the broker heard it is in hand as well
        expected = self._expected()
        for channel in channels:
            everything = spec.Basic.Nack(delivery_tag=0, multiple=True, requeue=True)
            self._line.send(amqp.method(channel, everything))
            self._line.ask(channel, spec.Channel.Close(200, "", 0, 0))
            self._line.reopen(channel)
        self._arrived.clear()
        self._queue_of.clear()
        self._ended.clear()
        self._free += channels
        self._wait_until_back(expected)

    def _expected(self) -> dict[str, int]:
        waiting = self.depths([queue for queue, messages in self._in_hand.items() if messages > 0])
        return {queue: depth + self._in_hand[queue] for queue, depth in waiting.items()}

    def _wait_until_back(self, expected: dict[str, int]) -> None:
        """ORDER: a quorum queue takes them back a little later; the next look must not come before."""
        self._in_hand.clear()
        deadline_s = monotonic_s() + _BACK_S
        while monotonic_s() < deadline_s:
            now = self.depths(list(expected))
            if all(now.get(queue, messages) >= messages for queue, messages in expected.items()):
                return
            self.listen(_POLL_S)

    def _consume(self, queue: str, prefetch: int) -> int:
        channel = self._channel()
        self._arrived[channel] = deque()
        self._queue_of[channel] = queue
        self._answered(channel, spec.Basic.Qos(prefetch_count=prefetch))
        self._answered(channel, spec.Basic.Consume(queue=queue, consumer_tag=_CONSUMER))
        return channel

    def _answered(self, channel: int, method: Any) -> None:
        answer = self._line.ask(channel, method)
        if isinstance(answer, spec.Channel.Close):
            del self._arrived[channel]
            self._line.reopen(channel)
            raise QueuesAway(f"a queue cannot be looked into: {said(answer)}")

    def _next(self, channel: int) -> Delivered | None:
        """The channel's next message; None when there is none after all."""
        deadline_s = monotonic_s() + _SILENT_S
        arrived = self._arrived[channel]
        while not arrived:
            if channel in self._ended or monotonic_s() >= deadline_s:
                return None
            self.listen(deadline_s - monotonic_s())
        return arrived.popleft()

    def _note(self, reply: Reply) -> None:
        if isinstance(reply.method, spec.Channel.Close):
            raise QueuesAway(f"the broker ended the look: {said(reply.method)}")
        if isinstance(reply.method, spec.Basic.Cancel):
            self._ended.add(reply.channel)  # the queue was deleted

    def _channel(self) -> int:
        return self._free.pop() if self._free else self._line.channel()
