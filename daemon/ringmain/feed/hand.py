"""What a queue feeder has in hand: deliveries, and how many of their messages are not settled yet.

A queue feeder enters. A delivery may be one message or a frame of many; the ring knows each message by the
number that its delivery has here. Pure: no queue is touched, no slot. LOSS: a delivery is finished only with
the last of its messages.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ringmain import verdict
from ringmain.queues import frames
from ringmain.queues.contract import Delivery, Tag
from ringmain.queues.envelope import UNREADABLE, Envelope, Foreign, Packed
from ringmain.verdict import Failure

FOREIGN = "ForeignMessage"
TOPIC_BYTES = 249
"""Kafka's longest name."""
_LEAST_32, _LEAST_64 = -(1 << 31), -(1 << 63)


class Piece(NamedTuple):
    """A message to be placed, and the number of its delivery."""

    number: int
    message: Envelope | Foreign


@dataclass(slots=True)
class _Held:
    tag: Tag
    unsettled: int
    begun: bool = False


class Hand:
    """The deliveries of one taker."""

    def __init__(self, first: int, step: int) -> None:
        """Numbers are `first`, `first + step`, …: hands that share a ring must not share one."""
        self._next = first
        self._step = step
        self._held: dict[int, _Held] = {}
        self.messages = 0
        """Unsettled, placed or not."""

    @property
    def deliveries(self) -> int:
        """Not finished yet."""
        return len(self._held)

    def add(self, delivery: Delivery) -> list[Piece]:
        """Take it in hand; its messages."""
        number, self._next = self._next, self._next + self._step
        found = _opened(delivery.envelope)
        self._held[number] = _Held(delivery.tag, len(found))
        self.messages += len(found)
        return [Piece(number, message) for message in found]

    def begin(self, number: int) -> None:
        """One of its messages is in the ring: it cannot be given back any more."""
        self._held[number].begun = True

    def settled(self, numbers: Iterable[int]) -> list[Tag]:
        """So many messages more are settled; the tags of the deliveries that are finished by this."""
        touched = set()
        for number in numbers:
            self._held[number].unsettled -= 1
            self.messages -= 1
            touched.add(number)
        return self._finished(touched)

    def drop_unbegun(self) -> list[Tag]:
        """Let go of every delivery of which nothing is in the ring."""
        going = [number for number, held in self._held.items() if not held.begun and held.unsettled]
        self.messages -= sum(self._held[number].unsettled for number in going)
        return [self._held.pop(number).tag for number in going]

    def holds(self, number: int) -> bool:
        """Is it ours, and not finished?"""
        return number in self._held

    def _finished(self, numbers: Iterable[int]) -> list[Tag]:
        return [self._held.pop(number).tag for number in numbers if self._held[number].unsettled == 0]


def failure_of(foreign: Foreign) -> bytes:
    """Why a foreign message is dead, for the dead set."""
    return verdict.encode(Failure(error_class=FOREIGN, error_message=foreign.reason))


def _opened(found: Envelope | Packed | Foreign) -> list[Envelope | Foreign]:
    if not isinstance(found, Packed):
        return [_possible(found)]
    try:
        messages = [_possible(message) for message in frames.unpack(found.body)]
    except UNREADABLE as error:
        return [Foreign(found.body, [], f"not a frame that this version reads: {error}")]
    return messages or [Foreign(found.body, [], "a frame without messages")]


def _possible(message: Envelope | Foreign) -> Envelope | Foreign:
    """LOSS: what no slot of the ring can say of a message must not kill whoever takes it, for ever."""
    if isinstance(message, Foreign) or (
        1 <= message.attempt < 1 << 16
        and 0 <= message.crashes < 1 << 8
        and _LEAST_32 <= message.partition < -_LEAST_32
        and _LEAST_64 <= message.offset < -_LEAST_64
        and _LEAST_64 <= message.timestamp_ms < -_LEAST_64
        and _LEAST_64 <= message.first_failed_ms < -_LEAST_64
        and len(message.topic.encode()) <= TOPIC_BYTES
    ):
        return message
    return Foreign(message.value or b"", message.headers, "its topic or a number of it cannot be a message's")
