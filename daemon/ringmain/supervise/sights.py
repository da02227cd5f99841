"""What there is to be seen of a node: the things that the lookout reads, and where others add what they know.

The Supervisor makes one. Nothing here looks or acts.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from ringmain.control import PausedBy, Peer, Queue
from ringmain.supervise.deaths import Deaths
from ringmain.supervise.ending import Ending
from ringmain.supervise.gates import Gates
from ringmain.supervise.memory import Memory
from ringmain.supervise.nursery import Nursery
from ringmain.supervise.posts import Roster


@dataclass
class Sights:
    """What there is to be seen."""

    memory: Memory
    nursery: Nursery
    roster: Roster
    gates: Gates
    ending: Ending
    deaths: Deaths
    paused_by: list[Callable[[str], list[PausedBy]]] = field(default_factory=list)
    """Who can say why a pool (its key), or a part of what it takes, is paused."""
    queues: Callable[[float], list[Queue]] = lambda now_s: []
    peers: Callable[[float], list[Peer]] = lambda now_s: []
