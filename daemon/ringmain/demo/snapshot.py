"""What the demo knows about the daemon at one moment, and what follows from it.

stage.py makes one a tick, view.py shows it, the last one becomes the result. Pure: nothing is read here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

LONGEST_START_S = 15.0


class Tick(msgspec.Struct, frozen=True):
    """What the load knows, by partition number."""

    delivered: list[int]
    committed: list[int]
    finished: bool = False
    """All messages of a load with an end are delivered."""


@dataclass(frozen=True)
class Partition:
    """One partition: how many messages it holds, how many of them are committed, how many were a second."""

    number: int
    end: int
    committed: int
    rate: float

    @property
    def lag(self) -> int:
        """Messages that are not committed yet."""
        return self.end - self.committed


@dataclass(frozen=True)
class DeadEntry:
    """One line about a message of the dead set."""

    message_id: str
    reason: str


@dataclass(frozen=True)
class Queued:
    """What the queues hold: messages that wait for another attempt, and those that got their last."""

    waiting: int = 0
    dead: int = 0
    latest: Sequence[DeadEntry] = ()


class Counted(msgspec.Struct, frozen=True):
    """What the daemon's handlers have counted; a call repeated after a crash is counted again."""

    at_s: float = 0.0
    """When, on the monotonic clock that all processes of a machine share."""
    done: int = 0
    skip: int = 0
    retry: int = 0

    @property
    def calls(self) -> int:
        """Calls that have ended, by any of these outcomes."""
        return self.done + self.skip + self.retry


@dataclass(frozen=True)
class Snapshot:
    """All of it."""

    seconds: float
    partitions: Sequence[Partition]
    queued: Queued = field(default_factory=Queued)
    counted: Counted = field(default_factory=Counted)
    handlers: int = 0
    load_finished: bool = False

    @property
    def end(self) -> int:
        """Messages sent to the topic."""
        return sum(each.end for each in self.partitions)

    @property
    def committed(self) -> int:
        """Messages whose offset is committed: done, skipped, or safe in the queues."""
        return sum(each.committed for each in self.partitions)

    @property
    def settled(self) -> int:
        """Messages that nothing more happens to: done, skipped or dead.

        `committed` is read before the queues, so a message that has left Kafka is never missed in both. What
        the daemon holds of RabbitMQ's queues does not count as waiting there: it has no outcome yet.
        """
        ended = self.counted.done + self.counted.skip + self.queued.dead
        return max(min(self.committed - self.queued.waiting, ended), 0)

    @property
    def rate(self) -> float:
        """Messages a second over all partitions, now."""
        return sum(each.rate for each in self.partitions)

    @property
    def idle(self) -> bool:
        """Nothing was handled in a time in which even a slow machine should have begun."""
        return self.counted.calls == 0 and self.seconds > LONGEST_START_S

    @property
    def complete(self) -> bool:
        """All that was to be sent is sent and settled."""
        return self.load_finished and self.settled >= self.end


class Result(msgspec.Struct, frozen=True):
    """The last line of `ringmain demo --messages N`."""

    messages: int
    done: int
    retry: int
    dead: int
    seconds: float
    msgs_per_s: float


def result(last: Snapshot, seconds: float) -> Result:
    """What a load came to; `seconds` from the first call to the last settlement, retry delays included."""
    return Result(
        messages=last.end,
        done=last.counted.done,
        retry=last.counted.retry,
        dead=last.queued.dead,
        seconds=round(seconds, 3),
        msgs_per_s=round(last.settled / seconds, 1) if seconds > 0 else 0.0,
    )


class Rates:
    """Committed offsets over time as messages a second, smoothed over a few commits."""

    def __init__(self, partitions: int, over_s: float = 3.0) -> None:
        self._over_s = over_s
        self._seen: list[tuple[float, tuple[int, ...]]] = [(0.0, (0,) * partitions)]

    def update(self, now_s: float, committed: Sequence[int]) -> list[float]:
        """Rates by partition over the last few seconds."""
        self._seen.append((now_s, tuple(committed)))
        while len(self._seen) > 2 and self._seen[1][0] <= now_s - self._over_s:
            del self._seen[0]
        then_s, then = self._seen[0]
        elapsed_s = max(now_s - then_s, 1e-9)
        return [max(now - before, 0) / elapsed_s for now, before in zip(committed, then, strict=True)]
