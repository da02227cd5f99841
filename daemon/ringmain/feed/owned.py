"""What a feeder remembers of one partition that is its own.

Partitions enters. Nothing is decided here.
"""

import math
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
    resting: bool = False
    """Of a transactional route: nothing of it is placed until the feeder's own commit of it is answered."""
    behind_since_s: float = math.inf
    """Of a transactional route: since when something is settled that is not known to be committed."""
    held: bool = False
    """Nothing is taken of it: an operator has paused it, or it is being sent elsewhere."""
