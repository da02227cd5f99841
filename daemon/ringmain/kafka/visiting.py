"""A member that comes to a group and goes, so that the group divides its partitions anew.

The supervisor's visitor enters. Nothing is read here; what it owns for a moment goes back when it leaves, at
once: it is a dynamic member.
"""

import contextlib
import select
from collections.abc import Sequence

from ringmain._fastpath import PartitionQueue
from ringmain.clock import monotonic_s
from ringmain.kafka.assignment import Partition
from ringmain.kafka.properties import Member, Properties
from ringmain.kafka.source import KafkaSource
from ringmain.lifecycle import Link


class _Visit:
    """An Assignment that only waits for the first."""

    def __init__(self) -> None:
        self.welcomed = False

    def assigned(self, topic: str, partition: int, queue: PartitionQueue, start_offset: int) -> None:
        """Nobody reads it."""

    def regrouped(self) -> None:
        """The group has divided its partitions."""
        self.welcomed = True

    def revoked(self, partitions: list[Partition], lost: bool) -> None:
        """There is nothing to settle."""

    def committed(self, offsets: dict[Partition, int], refusal: str) -> None:
        """Only where a new partition begins."""


def visit(
    member: Member, topics: Sequence[str], properties: Properties, timeout_s: float, told: Link
) -> bool:
    """Join, wait for the assignment, leave; False = there was none in time. FatalKafkaError.

    Whatever is `told` meanwhile is to leave: who is killed here would keep what it was given for the session
    timeout.
    """
    visit = _Visit()
    source = KafkaSource(member, topics, properties, visit)
    bells = select.poll()
    for fd in (source.fileno(), told.fileno()):
        bells.register(fd, select.POLLIN)
    with contextlib.closing(source):
        source.start()
        until_s = monotonic_s() + timeout_s
        while not visit.welcomed and (left_s := until_s - monotonic_s()) > 0:
            bells.poll(min(left_s, source.longest_wait_s) * 1000)
            if told.receive() or told.closed:
                return True
            source.poll()
    return visit.welcomed
