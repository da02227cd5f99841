"""The smallest feeder there is: it takes all messages from its source's queues and remembers them.

Contract tests of kafka/ enter. It settles a message by taking it, commits on revoke, and checks that what it
is handed is its own.
"""

import select
import struct
import time
from collections.abc import Callable
from typing import NamedTuple

from ringmain._fastpath import PartitionQueue
from ringmain.kafka.assignment import Partition
from ringmain.kafka.source import KafkaSource

Taken = tuple[int, int, int, bytes | None, bytes | None, bytes]
"""What a queue gives: error, offset, timestamp_ms, key, value, packed headers."""
END_EVENT = -191
COMMIT_DEADLINE_S = 30.0


class Got(NamedTuple):
    """One message as it came."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


class Reader:
    """Reads a source; `make(assignment)` makes it."""

    def __init__(self, make: Callable[["Reader"], KafkaSource]) -> None:
        self.messages: list[Got] = []
        self.position: dict[Partition, int] = {}
        self.starts: dict[Partition, int] = {}
        self.ends: dict[Partition, int] = {}
        self.answers: list[tuple[dict[Partition, int], str]] = []
        self.revocations: list[tuple[list[Partition], bool]] = []
        self.queues: dict[Partition, PartitionQueue] = {}
        self.commit_s: list[float] = []
        self.draining = True
        self.source = make(self)
        self.source.start()

    def assigned(self, topic: str, partition: int, queue: PartitionQueue, start_offset: int) -> None:
        self.queues[topic, partition] = queue
        self.starts[topic, partition] = start_offset
        if start_offset >= 0:
            self.position[topic, partition] = start_offset

    def regrouped(self) -> None:
        """Nothing to do: a reader is alone."""

    def revoked(self, partitions: list[Partition], lost: bool) -> None:
        self.revocations.append((partitions, lost))
        settled = {pair: self.position[pair] for pair in partitions if pair in self.position}
        if not lost:
            began_s = time.monotonic()
            assert self.source.commit_now(settled, COMMIT_DEADLINE_S)
            self.commit_s.append(time.monotonic() - began_s)
        for pair in partitions:
            self.queues.pop(pair)
            self.position.pop(pair, None)

    def committed(self, offsets: dict[Partition, int], refusal: str) -> None:
        self.answers.append((offsets, refusal))

    def turn(self, wait_s: float = 0.05) -> int:
        """One turn of the loop; how many messages it brought."""
        select.select([self.source.fileno()], [], [], min(wait_s, self.source.longest_wait_s))
        self.source.poll()
        before = len(self.messages)
        if self.draining:
            for pair, queue in list(self.queues.items()):
                while taken := queue.take(1000):
                    for one in taken:
                        self._keep(pair, one)
        return len(self.messages) - before

    def has(self, count: int) -> Callable[[], bool]:
        """A condition: it has read that many messages by now."""

        def enough() -> bool:
            self.turn()
            return len(self.messages) >= count

        return enough

    def until(self, condition: Callable[[], object]) -> Callable[[], object]:
        """A condition that keeps the loop turning."""

        def asked() -> object:
            self.turn()
            return condition()

        return asked

    def close(self) -> None:
        self.source.close()

    def _keep(self, pair: Partition, taken: Taken) -> None:
        err, offset, timestamp_ms, key, value, headers = taken
        if err == END_EVENT:
            self.ends[pair] = self.position[pair] = offset
        elif err:
            self.source.note_event(err, (value or b"").decode())
        else:
            self.messages.append(Got(pair[0], pair[1], offset, timestamp_ms, key, value, unpacked(headers)))
            self.position[pair] = offset + 1


def unpacked(blob: bytes) -> list[tuple[str, bytes | None]]:
    """The headers' blob as a handler would see it."""
    if not blob:
        return []
    headers: list[tuple[str, bytes | None]] = []
    at = 4
    for _ in range(struct.unpack_from("=I", blob)[0]):
        name_len, value_len = struct.unpack_from("=Ii", blob, at)
        at += 8
        name = blob[at : at + name_len].decode()
        at += name_len
        headers.append((name, None if value_len < 0 else blob[at : at + value_len]))
        at += max(value_len, 0)
    assert at == len(blob)
    return headers
