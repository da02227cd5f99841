"""What a harness needs of the operating system, all let go of together: an event loop, rings, a seat.

The harness enters. A test that forgets to close its harness loses nothing: the collector closes it.
"""

import asyncio
from dataclasses import dataclass, field

from ringmain.config.schema import Config
from ringmain.lifecycle import Leash, Link, pair
from ringmain.rings import Board, Segment
from ringmain.seat import Seat
from ringmain.testing.pool import release


@dataclass
class Stage:
    """Everything that has a descriptor."""

    events: asyncio.AbstractEventLoop
    board: Board
    leash: Leash
    link: Link
    memory: list[tuple[Segment, int]] = field(default_factory=list)

    def seat(self, config: Config, route: str, channel: str) -> Seat:
        """The place of a handler in no process of its own."""
        return Seat("handle", config, {}, self.board, 0, self.link, route=route, channel=channel)

    def close(self) -> None:
        """Let go of all of it."""
        for each in self.memory:
            release(each)
        self.memory.clear()
        self.leash.close()
        self.link.close()
        self.board.close()
        self.events.close()


def stage() -> Stage:
    """A fresh one."""
    leash, link = pair()
    return Stage(asyncio.new_event_loop(), Board(1), leash, link)
