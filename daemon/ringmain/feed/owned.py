"""What a feeder remembers of one partition that is its own.

Partitions enters. Nothing is decided here.
"""

from dataclasses import dataclass

from ringmain._fastpath import PartitionQueue


@dataclass(slots=True)
class Owned:
    """One partition that is ours: its queue, its number in the ring, what was last committed of it."""

    queue: PartitionQueue
    index: int
    committed: int
    asked: int
    stalled: bool = False
    sought: bool = False
    """It is being sent elsewhere: what was not begun is not wanted, least of all from the queues."""
    held: bool = False
    """Nothing is taken of it: an operator has paused it, or it is being sent elsewhere."""
