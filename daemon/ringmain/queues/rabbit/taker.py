"""Messages out of RabbitMQ: pushed by the broker up to a prefetch, held until they are acked.

A queue feeder holds one. What the broker has pushed waits here until it is taken; the end of the connection
gives everything back. A prefetch is a power of two, so that a wish that moves a little changes nothing: with
each change the queue's consumer is another one (RabbitMQ fixes a consumer's prefetch when it begins).
"""

import logging
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from pika import spec

from ringmain.clock import monotonic_s, sleep_s
from ringmain.queues import names
from ringmain.queues.contract import Away, Delivery, Tag
from ringmain.queues.rabbit import amqp, fields
from ringmain.queues.rabbit.access import Access
from ringmain.queues.rabbit.amqp import Delivered, Reply
from ringmain.queues.rabbit.connection import PARTING_S, Connection, Event, Lost, Opened
from ringmain.queues.rabbit.declaring import Declaring
from ringmain.queues.rabbit.dialogue import Dialogue, Script
from ringmain.queues.rabbit.silence import Silence
from ringmain.queues.rabbit.tags import Tags
from ringmain.queues.rabbit.topology import Topology, exists, said, said_with_remedy

HOLD = 512
"""Deliveries at once until hold() says otherwise."""
MOST = 16_384
FRAMES = 16
"""An overflow delivery is a frame of up to 1 MiB."""
BUFFER_BYTES = 32 << 20
IDLE_S = 10.0
"""Not asked for so long (quiet, paused, no room): what was not taken goes back to the other nodes."""
ACKS_SINK_IN_S = 0.1
ACKS_APART_S = 0.1
"""PERF: each ack is an entry in a quorum queue's log: told one by one, what trickles back from delays costs
RabbitMQ a third more. A quarter of the prefetch is told at once: too little would be pushed else.
"""
_TAKING, _DECLARING = 1, 2

log = logging.getLogger(__name__)


class Consumer(NamedTuple):
    """One subscription of ours."""

    tag: str
    prefetch: int


class RabbitTaker:
    """contract.Taker over one connection of its own."""

    def __init__(self, access: Access, topology: Topology, queues: Sequence[str]) -> None:
        self._connection = Connection(access)
        self._channel = Dialogue(self._connection, _TAKING)
        self._declaring = Declaring(Dialogue(self._connection, _DECLARING), topology)
        self._queues = list(queues)
        self._consumers: dict[str, Consumer] = {}
        self._queue_of: dict[bytes, str] = {}
        self._tags = Tags()
        self._settled: list[Tag] = []
        self._waiting: deque[tuple[Tag, Delivered]] = deque()
        self._hold = HOLD
        self._body_bytes = 0.0
        self._subscriptions = 0
        self._asked_s = monotonic_s()
        self._acked_s = float("-inf")
        self._silence = Silence()
        self._unconsumed: Away | None = None

    def take(self, limit: int) -> list[Delivery]:
        """From what was pushed; nothing is asked of the broker here."""
        if limit <= 0:
            return []
        self._asked_s = monotonic_s()
        taken = []
        for _ in range(min(limit, len(self._waiting))):
            tag, (_, consumer, _, _, properties, body) = self._waiting.popleft()
            taken.append(Delivery(tag, self._queue_of[consumer], fields.read(properties, body)))
        return taken

    def hold(self, deliveries: int) -> None:
        """The sum of all prefetches; changed with the next pump."""
        self._hold = min(deliveries, MOST)

    def ready(self) -> bool:
        """Was something pushed?"""
        return bool(self._waiting)

    def ack(self, tags: Sequence[Tag]) -> None:
        """Said together with what follows soon; void for what an earlier connection delivered."""
        self._settled += tags
        self._say_due_acks()

    def give_back(self, tags: Sequence[Tag]) -> None:
        """Said at once."""
        if numbers := self._tags.give_back(tags):
            self._connection.send(*[amqp.give_back(_TAKING, number) for number in numbers])

    def pump(self) -> None:
        """Hear what came, and see to it that every queue is there and consumed as it should be."""
        for event in self._connection.pump():
            self._take_in(event)
        self._say_due_acks()
        if self._connection.is_open:
            if self._is_idle():
                self._let_go()
            self._tend()
            self._look(monotonic_s())
            self._declaring.go_on(monotonic_s())

    def fileno(self) -> int | None:
        """The connection's."""
        return self._connection.fileno()

    def timeout_s(self) -> float | None:
        """The connection's, the next try to declare, or the next look at queues that are silent."""
        now_s = monotonic_s()
        pause_s = self._connection.timeout_s()
        if self._connection.is_open and not self._tags.held and not self._channel.busy:
            pause_s = min(pause_s, max(0.0, self._silence.next_look_s - now_s))
        if (acks_s := self._acks_wait_s(now_s)) is not None:
            pause_s = min(pause_s, acks_s)
        again_s = self._declaring.wait_s(now_s)
        return pause_s if again_s is None else min(pause_s, again_s)

    def away(self) -> Away | None:
        """No connection, or a queue that is not as it must be."""
        return self._connection.away() or self._declaring.trouble() or self._unconsumed

    def close(self) -> None:
        """Let go once the broker has heard the last acks; the rest goes back.

        A channel of RabbitMQ's that ends drops the acks that it has not yet handed to a quorum queue (tried:
        many single ones, 3.10), and their messages would come again. Nothing says when it has; it is soon.
        """
        self._say_acks()
        if self._connection.is_open and monotonic_s() - self._acked_s < PARTING_S:
            self._channel.run(self._cancel_all())
            until_s = monotonic_s() + PARTING_S
            while self._channel.busy and monotonic_s() < until_s:
                self._connection.wait(until_s - monotonic_s())
                for event in self._connection.pump():
                    self._take_in(event)
            sleep_s(ACKS_SINK_IN_S)
        self._waiting.clear()
        self._connection.part()

    def _acks_wait_s(self, now_s: float) -> float | None:
        """Until acks are to be said; None while there are none."""
        if not self._settled:
            return None
        if 4 * len(self._settled) >= sum(consumer.prefetch for consumer in self._consumers.values()):
            return 0.0
        return max(0.0, self._acked_s + ACKS_APART_S - now_s)

    def _say_due_acks(self) -> None:
        if self._acks_wait_s(monotonic_s()) == 0.0:
            self._say_acks()

    def _say_acks(self) -> None:
        """In as few frames as it takes."""
        if acks := self._tags.ack(self._settled):
            self._acked_s = monotonic_s()
            self._connection.send(*[amqp.ack(_TAKING, *one) for one in acks])
        self._settled.clear()

    def _cancel_all(self) -> Script:
        for consumer in list(self._consumers.values()):
            yield spec.Basic.Cancel(consumer.tag)
        self._consumers.clear()

    def _look(self, now_s: float) -> None:
        if self._tags.held or self._is_idle():
            self._silence.broken(now_s)
        elif not self._channel.busy and self._silence.is_time(now_s):
            self._declaring.ask(self._count(list(self._consumers)))

    def _count(self, queues: Sequence[str]) -> Script:
        for queue in queues:
            answer = yield exists(queue)
            if isinstance(answer, spec.Channel.Close):
                self._declaring.forget(queue)
                self._consumers.pop(queue, None)
            elif not self._tags.held and self._silence.seen(queue, answer.message_count):
                log.warning("rabbitmq delivers nothing of what waits: consuming anew", extra={"queue": queue})
                self._channel.run(self._reopen())

    def _reopen(self) -> Script:
        yield spec.Channel.Close(200, "", 0, 0)
        self._begin_anew()

    # -- in ----------------------------------------------------------------------------------------------

    def _take_in(self, event: Event) -> None:
        if isinstance(event, Delivered):
            self._waiting.append((self._tags.tag(event.tag), event))
            self._body_bytes += (len(event.body) - self._body_bytes) / 16
        elif isinstance(event, Reply):
            self._reply(event)
        elif isinstance(event, Opened):
            self._asked_s = monotonic_s()
        elif isinstance(event, Lost):
            self._declaring.drop()
            self._begin_anew()

    def _reply(self, reply: Reply) -> None:
        if reply.channel == _DECLARING:
            self._declaring.answer(reply.method)
        elif self._channel.answer(reply.method):
            return
        elif isinstance(reply.method, spec.Basic.Cancel):
            self._lost_queue(str(reply.method.consumer_tag))
        elif isinstance(reply.method, spec.Channel.Close):
            log.warning("rabbitmq took back what was held", extra={"reason": said(reply.method)})
            self._begin_anew()

    def _lost_queue(self, consumer: str) -> None:
        """The broker ended a consumer: its queue was deleted, or has to move."""
        queue = self._queue_of.get(consumer.encode())
        if queue is not None and self._consumers.get(queue, Consumer("", 0)).tag == consumer:
            del self._consumers[queue]
            self._declaring.forget(queue)

    def _begin_anew(self) -> None:
        """The channel is gone: what was held is others', what was pushed is void."""
        self._channel.drop()
        self._tags.new_life()
        self._consumers.clear()
        self._queue_of.clear()
        self._waiting.clear()

    # -- consumers ---------------------------------------------------------------------------------------

    def _tend(self) -> None:
        for queue in self._queues:
            if self._channel.busy:
                return
            if self._declaring.is_there(queue) and self._prefetch(queue) != self._prefetch_now(queue):
                self._channel.run(self._consume(queue, self._prefetch(queue)))

    def _prefetch_now(self, queue: str) -> int:
        consumer = self._consumers.get(queue)
        return consumer.prefetch if consumer else 0

    def _prefetch(self, queue: str) -> int:
        """This queue's share of what may be held; nothing while nobody asks."""
        share = self._hold // len(self._queues) or min(1, self._hold)
        if names.parse(queue).kind == "overflow":
            share = min(share, FRAMES)
        elif self._body_bytes > 1:
            share = min(share, max(1, int(BUFFER_BYTES / self._body_bytes)))
        return 0 if self._is_idle() else 1 << share.bit_length() >> 1

    def _consume(self, queue: str, prefetch: int) -> Script:
        """ORDER: a channel that the broker closes meanwhile is another life: the last one's tags are void."""
        old = self._consumers.pop(queue, None)
        before = [spec.Basic.Cancel(old.tag)] if old is not None else []
        before += [spec.Basic.Qos(prefetch_count=prefetch)] if prefetch else []
        for method in before:
            if isinstance((yield method), spec.Channel.Close):
                self._begin_anew()
                return
        if not prefetch:
            return
        self._subscriptions += 1
        tag = f"{queue}-{self._subscriptions}"
        self._queue_of[tag.encode()] = queue
        answer = yield spec.Basic.Consume(queue=queue, consumer_tag=tag)
        if isinstance(answer, spec.Channel.Close):
            self._cannot_consume(queue, answer)
            self._begin_anew()
        else:
            self._unconsumed = None
            self._consumers[queue] = Consumer(tag, prefetch)

    def _cannot_consume(self, queue: str, close: spec.Channel.Close) -> None:
        """A right that is missing waits for a person; anything else is the queue's own end."""
        if close.reply_code == spec.ACCESS_REFUSED:
            since_s = self._unconsumed.since_s if self._unconsumed else monotonic_s()
            why = said_with_remedy(close, names.parse(queue).app)
            self._unconsumed = Away(f"queue {queue} cannot be consumed: {why}", since_s, refused=True)
            self._declaring.rest(queue)
        else:
            log.warning("queue cannot be consumed", extra={"queue": queue, "reason": said(close)})
            self._declaring.forget(queue)

    def _is_idle(self) -> bool:
        return self._hold <= 0 or monotonic_s() - self._asked_s >= IDLE_S

    def _let_go(self) -> None:
        self.give_back([tag for tag, _ in self._waiting])
        self._waiting.clear()
