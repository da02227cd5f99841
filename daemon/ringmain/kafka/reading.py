"""Two ways from a consumer to its partitions' queues, one face.

KafkaSource enters: `Direct` splits librdkafka's own queues (no Python per message), `Copied` is for a client
that cannot be reached so (another build) and copies what consume() returns into the same queues.
Nothing is handled here, and no message is left out: what comes the wrong way is put where it belongs.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition, cimpl

from ringmain import _fastpath
from ringmain._fastpath import Drain, PartitionQueue
from ringmain.kafka.assignment import OFFSET_LATEST, Partition

PLUGIN = "plugin.library.paths"
AT_ONCE = 1000
TOO_MANY_WAITING = 2000
FEW_ENOUGH_WAITING = 500

Queues = Mapping[Partition, PartitionQueue]


class Reading(Protocol):
    """How messages come to the queues. `poll` gives the errors that belong to no partition."""

    longest_wait_s: float

    def poll(self, queues: Queues) -> list[KafkaError]: ...

    def end_offsets(self, partitions: Sequence[Partition], timeout_s: float) -> dict[Partition, int]: ...

    def pause(self, pair: Partition) -> None: ...

    def resume(self, pair: Partition) -> None: ...

    def forget(self, partitions: list[Partition]) -> None: ...


class Direct:
    """librdkafka fills the queues itself; poll serves callbacks only."""

    longest_wait_s = 1.0

    def __init__(self, consumer: Consumer, drain: Drain) -> None:
        self._consumer = consumer
        self._drain = drain

    def poll(self, queues: Queues) -> list[KafkaError]:
        """Everything that is not a message."""
        errors: list[KafkaError] = []
        while (one := self._consumer.poll(0)) is not None:
            errors += sorted_into(queues, one)
        return errors

    def end_offsets(self, partitions: Sequence[Partition], timeout_s: float) -> dict[Partition, int]:
        """Waits for the broker while another thread polls. Raises KafkaException."""
        code, ends = self._drain.end_offsets(partitions, timeout_s)
        if code:
            raise KafkaException(KafkaError(code))
        return ends

    def pause(self, pair: Partition) -> None:
        """Fetch nothing of it until resumed."""
        self._consumer.pause([TopicPartition(*pair)])

    def resume(self, pair: Partition) -> None:
        """Fetch again."""
        self._consumer.resume([TopicPartition(*pair)])

    def forget(self, partitions: list[Partition]) -> None:
        """Nothing is held here."""


class Copied:
    """consume() and push; a partition that is not drained is paused, so that what is held stays bounded."""

    longest_wait_s = 0.02

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._held_back: set[Partition] = set()
        self._paused: set[Partition] = set()

    def poll(self, queues: Queues) -> list[KafkaError]:
        """Callbacks, and one batch of messages."""
        errors: list[KafkaError] = []
        self._hold_back(queues)
        for one in self._consumer.consume(AT_ONCE, timeout=0):
            errors += sorted_into(queues, one)
        return errors

    def end_offsets(self, partitions: Sequence[Partition], timeout_s: float) -> dict[Partition, int]:
        """Waits for the broker; the client lets nobody poll meanwhile. Raises KafkaException."""
        asked = [TopicPartition(*pair, OFFSET_LATEST) for pair in partitions]
        answers = self._consumer.offsets_for_times(asked, timeout=timeout_s)
        return {(one.topic, one.partition): one.offset for one in answers if one.error is None}

    def pause(self, pair: Partition) -> None:
        """As asked from outside: never ended by what happens to be drained here."""
        self._paused.add(pair)
        self._held_back.discard(pair)
        self._consumer.pause([TopicPartition(*pair)])

    def resume(self, pair: Partition) -> None:
        """Fetch again; the next poll holds it back if too much of it waits."""
        self._paused.discard(pair)
        self._consumer.resume([TopicPartition(*pair)])

    def forget(self, partitions: list[Partition]) -> None:
        """They are given away."""
        self._held_back.difference_update(partitions)
        self._paused.difference_update(partitions)

    def _hold_back(self, queues: Queues) -> None:
        full = [pair for pair, queue in queues.items() if queue.waiting > TOO_MANY_WAITING]
        free = [pair for pair in self._held_back if queues[pair].waiting < FEW_ENOUGH_WAITING]
        if new := [pair for pair in full if pair not in self._held_back | self._paused]:
            self._consumer.pause([TopicPartition(*pair) for pair in new])
            self._held_back.update(new)
        if free:
            self._consumer.resume([TopicPartition(*pair) for pair in free])
            self._held_back.difference_update(free)


def plugin_properties(drain: Drain) -> dict[str, str]:
    """What the consumer must be made with so that `drain` can capture it; nothing when it cannot."""
    return {PLUGIN: _fastpath.__file__} if drain.bind(cimpl.__file__) else {}


def sorted_into(queues: Queues, message: Message) -> list[KafkaError]:
    """Put a message where the feeder reads; an error that is no partition's comes back."""
    error = message.error()
    pair = message.topic() or "", -1 if (number := message.partition()) is None else number
    queue = queues.get(pair)
    if queue is None:
        # LOSS: a message of a partition that is not ours any more is the next owner's.
        return [error] if error is not None else []
    if error is not None:
        queue.push(None, error.str().encode(), b"", message.offset() or 0, -1, error.code())
        return []
    _push(queue, message)
    return []


def _push(queue: PartitionQueue, message: Message) -> None:
    kind, timestamp_ms = message.timestamp()
    headers = packed_headers(message.headers())
    offset: int = message.offset() or 0
    queue.push(message.key(), message.value(), headers, offset, timestamp_ms if kind else -1)


def packed_headers(headers: Any) -> bytes:
    """The blob that the extension writes: u32 count, then u32 and i32 (-1 = None) lengths, name, value."""
    if not headers:
        return b""
    parts = [struct.pack("=I", len(headers))]
    for name, value in headers:
        encoded = name.encode("utf-8", "surrogateescape")
        parts += [
            struct.pack("=Ii", len(encoded), -1 if value is None else len(value)),
            encoded,
            value or b"",
        ]
    return b"".join(parts)
