"""Partitions that stand still: messages are there, there is room for them, and none comes.

The Kafka source enters at each commit. Pure: offsets and times in, a verdict out. It is the last line of
defence against a client that has silently stopped fetching; a process that exits is replaced in a second.
"""

from collections.abc import Mapping

Partition = tuple[str, int]

STANDSTILL_S = 60.0


class Standstill:
    """Remembers since when each partition has had something to read at an unchanged position."""

    def __init__(self, limit_s: float = STANDSTILL_S) -> None:
        self._limit_s = limit_s
        self._since: dict[Partition, tuple[int, float]] = {}

    def overdue(self, behind: Mapping[Partition, int], now_s: float) -> list[Partition]:
        """`behind`: partition -> position, for those that could be read on. Those that stood too long."""
        kept = {pair: self._since[pair] for pair in behind if self._unmoved(pair, behind[pair])}
        self._since = {pair: kept.get(pair, (position, now_s)) for pair, position in behind.items()}
        return [pair for pair, (_, since_s) in self._since.items() if now_s - since_s >= self._limit_s]

    def _unmoved(self, pair: Partition, position: int) -> bool:
        return pair in self._since and self._since[pair][0] == position
