"""What a source promises to its feeder when partitions come and go, and where a partition starts.

KafkaSource enters. Nothing is read or committed here; the broker is asked once per assignment, with a
deadline.
"""

import contextlib
from collections.abc import Iterable, Mapping
from typing import Protocol

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, TopicPartition

from ringmain._fastpath import PartitionQueue

Partition = tuple[str, int]
Offsets = Mapping[Partition, int]

UNKNOWN = -1
"""A start offset that the broker did not tell in time: the first message, or the end event, will."""

ASK_S = 3.0


class Assignment(Protocol):
    """The feeder, as its source sees it. All calls come from within poll(), close() or retire()."""

    def assigned(self, topic: str, partition: int, queue: PartitionQueue, start_offset: int) -> None:
        """A partition is ours from here on; `start_offset` may be UNKNOWN."""

    def regrouped(self) -> None:
        """The group was assigned anew, perhaps with nothing different for us: somebody came or went."""

    def revoked(self, partitions: list[Partition], lost: bool) -> None:
        """Settle what is left, `commit_now`, forget the queues; `lost` = another member has them already."""

    def committed(self, offsets: dict[Partition, int], refusal: str) -> None:
        """The answer to a commit(); "" = it stands, else none of these do and why."""


class Starts:
    """Where each partition of one assignment begins."""

    def __init__(self, found: Mapping[Partition, int], first: Mapping[Partition, int]) -> None:
        self.found = found
        self.first = first

    def offset(self, pair: Partition) -> int:
        """Committed, else where auto.offset.reset points, else UNKNOWN."""
        return self.found.get(pair, self.first.get(pair, UNKNOWN))


def starts_of(consumer: Consumer, given: Iterable[TopicPartition], reset: str) -> Starts:
    """Ask the group and then the broker; what they do not tell in time is left to librdkafka."""
    pairs = [(one.topic, one.partition) for one in given]
    try:
        answers = consumer.committed([TopicPartition(*pair) for pair in pairs], timeout=ASK_S)
    except KafkaException:
        return Starts({}, {})
    told = {(one.topic, one.partition): one for one in answers if one.error is None}
    found = {pair: one.offset for pair, one in told.items() if one.offset >= 0}
    missing = [pair for pair in told if pair not in found]
    return Starts(found, ends_of(consumer, missing, reset, ASK_S))


def committed_of(
    consumer: Consumer, pairs: Iterable[Partition], timeout_s: float
) -> dict[Partition, int] | None:
    """What the group has committed of each, negative = nothing; None = it did not tell in time.

    With read_committed it tells nothing of a partition of which a transaction's offsets are still open.
    """
    try:
        answers = consumer.committed([TopicPartition(*pair) for pair in pairs], timeout=timeout_s)
    except KafkaException:
        return None
    if any(one.error is not None for one in answers):
        return None
    return {(one.topic, one.partition): one.offset for one in answers}


def offset_at(consumer: Consumer, pair: Partition, when: str | int, timeout_s: float) -> int:
    """The offset at "earliest", "latest" or of the first message since a time in ms, or UNKNOWN."""
    if isinstance(when, str):
        return ends_of(consumer, [pair], when, timeout_s).get(pair, UNKNOWN)
    with contextlib.suppress(KafkaException):
        (answer,) = consumer.offsets_for_times([TopicPartition(*pair, when)], timeout=timeout_s)
        if answer.error is None and answer.offset >= 0:
            return int(answer.offset)
    return ends_of(consumer, [pair], "latest", timeout_s).get(pair, UNKNOWN)


def ends_of(consumer: Consumer, pairs: list[Partition], which: str, timeout_s: float) -> dict[Partition, int]:
    """The first or the next offset ("earliest", "latest") of each partition that is told in time.

    ListOffsets' own timestamps for the two are the numbers of these constants: one request per broker does.
    """
    stamp = OFFSET_LATEST if which in _LATEST else OFFSET_EARLIEST
    if not pairs or (which not in _LATEST and which not in _EARLIEST):
        return {}
    try:
        answers = consumer.offsets_for_times(
            [TopicPartition(*pair, stamp) for pair in pairs], timeout=timeout_s
        )
    except KafkaException:
        return {}
    return {
        (one.topic, one.partition): one.offset for one in answers if one.error is None and one.offset >= 0
    }


OFFSET_LATEST = OFFSET_END
OFFSET_EARLIEST = OFFSET_BEGINNING
_LATEST = ("latest", "largest", "end")
_EARLIEST = ("earliest", "smallest", "beginning")
