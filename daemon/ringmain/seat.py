"""What a role is given when it comes to life: who it is, what it may touch, whom it talks to.

The supervisor makes one Seat for every fork; the role's `run(seat)` reads it. Nothing here acts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ringmain.config.pools import key_of
from ringmain.lifecycle import Link

if TYPE_CHECKING:
    from ringmain.config.schema import Config
    from ringmain.rings import Board, Segment

NOUNS = {"feed": "feeder", "handle": "handler"}
"""The word people read for a role, where it is not the role's own name."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One child's place in the node."""

    role: str
    """feed, handle, courier, herald, probe, scout, visitor, clerk: a key of roles.ROLES."""
    config: Config
    segments: Mapping[str, Segment] = field(repr=False)
    """A pool's key -> its shared memory and doorbells."""
    board: Board = field(repr=False)
    beat: int
    """This process's row on the board."""
    link: Link = field(repr=False)
    route: str = ""
    """Empty when the role is not of one route."""
    channel: str = ""
    """Empty = the route itself."""
    handled: bool = True
    """Whether the app has a function for it: a route that is taken `through` a channel needs none."""
    mounted: bool = False
    """Whether the app has HTTP routes of its own."""
    source: str = ""
    """A feeder's: "kafka" or "queue"."""
    index: int = 0
    """The seat number in the pool's ring; feeders and handlers are numbered apart."""
    incarnation: int = 1
    """1, 2, ... at each new process in the same seat, modulo 256, never 0."""

    @property
    def pool(self) -> str:
        """The key of the pool that this process serves; empty when it is not of one."""
        return key_of(self.route, self.channel)

    @property
    def title(self) -> str:
        """As people read it: `feeder orders/3`, `handler orders.express/0`, `courier`."""
        return title(self.role, self.pool, self.index)


def title(role: str, pool: str, index: int) -> str:
    """`feeder orders/3` of a role with a pool, the bare noun of one without."""
    noun = NOUNS.get(role, role)
    return f"{noun} {pool}/{index}" if pool else noun
