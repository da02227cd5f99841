"""Messages of queues as they lie there: taken in hand from the head, in order, and put back as they were.

Dead set, hold and search enter, behind a lock. RabbitMQ has no look that does not take: so a prefix is taken
without acking, as large as is needed, and given back at the end. LOSS: only `ack` removes. ORDER: consumers
are made one after another, each full before the next, and given back in that order; a connection that is lost
while messages are in hand shuffles a quorum queue, so whoever scans always ends by `release`.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, NamedTuple

from pika import spec

from ringmain.clock import monotonic_s
from ringmain.errors import QueuesAway
from ringmain.queues import names
from ringmain.queues.envelope import Envelope, Foreign, Packed
from ringmain.queues.rabbit import amqp, fields
from ringmain.queues.rabbit.amqp import Delivered, Reply
from ringmain.queues.rabbit.connection import Event
from ringmain.queues.rabbit.line import Line
from ringmain.queues.rabbit.topology import exists, said
from ringmain.types import QueueType

LARGEST_PREFETCH = 65_535
_FIRST = 64
_GROWTH = 8
_LOOK_S = 0.5
_SILENT_S = 1.0
_SILENT_DEAD_S = 10.0
_STUCK_S = 60.0
_BACK_S = 2.0
_POLL_S = 0.001
_BACK_MESSAGES = 32
_MERGED_FROM = 32
_APPLIED_S = 0.5
_BACK_TIMES = 16
_COMPLETE_MESSAGES = 20_000
_BUFFER_BYTES = 64 << 20
_ASKED_AT_ONCE = 100
_CONSUMER = "scan"


class Held(NamedTuple):
    """One message in hand."""

    queue: str
    channel: int
    tag: int
    message: Envelope | Packed | Foreign


@dataclass
class Hand:
    """One channel's share: what has come and was not looked at, and the tags of all that is not acked."""

    queue: str
    arrived: deque[Delivered] = field(default_factory=deque)
    tags: dict[int, None] = field(default_factory=dict)
    ended: bool = False
    redelivered: bool = False
    """Was the last one that came in somebody's hand before?"""
    blind: bool = False
    """Nobody will look at what comes: it is counted, not kept."""
    commands: int = 0
    """Acks that were said, each of one message or of many."""


class Scan:
    """What one line has in hand."""

    def __init__(self, line: Line, kind: QueueType) -> None:
        self._line = line
        self._kind = kind
        self._hands: dict[int, Hand] = {}
        self._free: list[int] = []

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
        """The first `waiting` of a queue, oldest first; about `want` of them are taken in hand at first.

        Never many before it is known how large they are: bodies are in memory until they are looked at.
        """
        prefetch = max(1, min(want, _FIRST))
        while waiting > 0:
            step = min(prefetch, waiting, LARGEST_PREFETCH)
            channel = self._consume(queue, step)
            arrived = self._fill(channel, step).arrived
            number, size_bytes = len(arrived), sum(len(delivered.body) for delivered in arrived)
            while arrived:
                delivered = arrived.popleft()
                message = fields.read(delivered.properties, delivered.body)
                yield Held(queue, channel, delivered.tag, message)
            if number < step:
                return  # somebody else takes from it as well
            waiting -= step
            prefetch = min(step * _GROWTH, max(1, _BUFFER_BYTES // (size_bytes // step + 1)))

    def ack(self, held: Iterable[Held]) -> None:
        """These are gone for good; returns when the broker has heard it."""
        tags: dict[int, set[int]] = {}
        for one in held:
            tags.setdefault(one.channel, set()).add(one.tag)
        self._line.send(
            *(ack for channel in tags for ack in _acks(channel, self._hands[channel], tags[channel]))
        )
        self._line.ask_all([(channel, spec.Basic.Qos(prefetch_count=1)) for channel in tags])

    def listen(self, wait_s: float) -> list[Event]:
        """What happened that is not ours: confirms and what else comes on the line's other channels."""
        others: list[Event] = []
        for event in self._line.events(wait_s):
            hand = self._hands.get(event.channel) if isinstance(event, Delivered | Reply) else None
            if hand is None:
                others.append(event)
            elif isinstance(event, Delivered):
                hand.arrived.append(event._replace(body=b"") if hand.blind else event)
                hand.tags[event.tag] = None
                hand.redelivered = event.redelivered
            elif isinstance(event, Reply):
                _note(hand, event)
        return others

    def release(self) -> None:
        """All goes back to where it was, the first in hand first."""
        if not self._hands:
            return
        if self._kind == "quorum":
            self._complete()
        channels = list(self._hands)
        self._line.ask_all([(channel, spec.Basic.Cancel(consumer_tag=_CONSUMER)) for channel in channels])
        self.listen(0)  # what came until the broker heard it is in hand as well
        self._wait_until_applied()
        for channel, hand in self._hands.items():
            if names.parse(hand.queue).kind == "dead":
                self._give_back_in_order(channel, hand)
            else:  # others take from it meanwhile: there is no order to keep
                self._line.send(_back(channel, 0))
            self._line.ask(channel, spec.Channel.Close(200, "", 0, 0))
            self._line.reopen(channel)
        self._hands.clear()
        self._free += channels

    def _wait_until_applied(self) -> None:
        """LOSS: of more than 32 commands under way a quorum queue's client keeps the rest back until the
        first are applied; with the channel they would go, and what was acked come back. Nothing tells when.
        """
        if self._kind == "quorum" and any(hand.commands >= _MERGED_FROM for hand in self._hands.values()):
            until_s = monotonic_s() + _APPLIED_S
            while (left_s := until_s - monotonic_s()) > 0:
                self.listen(left_s)

    def _complete(self) -> None:
        """ORDER: a quorum queue lines up what came back before all others, and what comes back goes to the
        end of that line: all of it must be in hand, or what is in hand would change its place.
        """
        last = {hand.queue: hand for hand in self._hands.values()}
        for queue, hand in last.items():
            while hand.redelivered and names.parse(queue).kind == "dead":
                waiting = self.depths([queue]).get(queue, 0)
                if waiting == 0:
                    break
                channel = self._consume(queue, step := min(waiting, _COMPLETE_MESSAGES), blind=True)
                hand = self._fill(channel, step)
                if len(hand.arrived) < step:
                    break
                hand.arrived.clear()

    def _give_back_in_order(self, channel: int, hand: Hand) -> None:
        """ORDER: of more than 32 messages that come back by one command a quorum queue forgets the order, and
        its client merges commands once 32 are under way: so 32 at a time, and a look after every 16 times. A
        classic queue keeps it, and each command costs it a pass over all that wait.
        """
        tags = list(hand.tags)
        at_once = _BACK_MESSAGES if self._kind == "quorum" else max(1, len(tags))
        waiting = self.depths([hand.queue]).get(hand.queue, 0)
        for first in range(0, len(tags), at_once * _BACK_TIMES):
            some = tags[first : first + at_once * _BACK_TIMES]
            last_ones = {*some[at_once - 1 :: at_once], some[-1]}
            self._line.send(*(_back(channel, tag) for tag in sorted(last_ones)))
            waiting += len(some)
            self._wait_until_back(hand.queue, waiting)

    def _wait_until_back(self, queue: str, messages: int) -> None:
        deadline_s = monotonic_s() + _BACK_S
        while self.depths([queue]).get(queue, messages) < messages and monotonic_s() < deadline_s:
            self.listen(_POLL_S)

    def _consume(self, queue: str, prefetch: int, blind: bool = False) -> int:
        channel = self._channel()
        self._hands[channel] = Hand(queue, blind=blind)
        self._answered(channel, spec.Basic.Qos(prefetch_count=prefetch))
        self._answered(channel, spec.Basic.Consume(queue=queue, consumer_tag=_CONSUMER))
        return channel

    def _answered(self, channel: int, method: Any) -> None:
        answer = self._line.ask(channel, method)
        if isinstance(answer, spec.Channel.Close):
            del self._hands[channel]
            self._line.reopen(channel)
            raise QueuesAway(f"a queue cannot be looked into: {said(answer)}")

    def _fill(self, channel: int, step: int) -> Hand:
        """Until the consumer has all it may. ORDER: it then ends, or each ack would let it take more."""
        hand = self._hands[channel]
        before, heard_s = 0, monotonic_s()
        while len(hand.arrived) < step and not hand.ended:
            self.listen(_LOOK_S)
            if len(hand.arrived) > before:
                before, heard_s = len(hand.arrived), monotonic_s()
            elif self._is_over(hand.queue, monotonic_s() - heard_s):
                break
        self._answered(channel, spec.Basic.Cancel(consumer_tag=_CONSUMER))
        return hand

    def _is_over(self, queue: str, silent_s: float) -> bool:
        """LOSS: a broker that pauses must not look like the end of a queue that only we take from."""
        shared = names.parse(queue).kind != "dead"
        if silent_s >= (_SILENT_S if shared else _SILENT_DEAD_S):
            return shared or self.depths([queue]).get(queue, 0) == 0 or self._is_stuck(queue, silent_s)
        return False

    def _is_stuck(self, queue: str, silent_s: float) -> bool:
        if silent_s >= _STUCK_S:
            raise QueuesAway(f"{queue}: RabbitMQ at {self._line.where} delivers nothing for {_STUCK_S:g} s")
        return False

    def _channel(self) -> int:
        return self._free.pop() if self._free else self._line.channel()


def _acks(channel: int, hand: Hand, tags: set[int]) -> Iterator[bytes]:
    """One command for all that head the hand, which is mostly all of it, and one for each of the others."""
    head = list(takewhile(tags.__contains__, hand.tags))
    others = sorted(tags.intersection(hand.tags).difference(head))
    for tag in [*head, *others]:
        del hand.tags[tag]
    hand.commands += bool(head) + len(others)
    if head:
        yield amqp.ack(channel, head[-1], True)
    yield from (amqp.ack(channel, tag, False) for tag in others)


def _note(hand: Hand, reply: Reply) -> None:
    if isinstance(reply.method, spec.Channel.Close):
        raise QueuesAway(f"the broker ended the look: {said(reply.method)}")
    if isinstance(reply.method, spec.Basic.Cancel):
        hand.ended = True  # the queue was deleted


def _back(channel: int, tag: int) -> bytes:
    """All up to this delivery; 0 = all."""
    return amqp.method(channel, spec.Basic.Nack(delivery_tag=tag, multiple=True, requeue=True))
