"""The node's shared memory as the supervisor sees it: made before those who use it, given out by role.

`run` makes it, a reload adds to it and takes away, the loop looks and gives orders through it. Messages are
in there, and nobody here reads them.
"""

import os
import resource
from collections.abc import Mapping

from ringmain.config.pools import pools_of
from ringmain.config.schema import Config, Route
from ringmain.rings import Board, Geometry, Overseer, Segment, bell
from ringmain.supervise import lineup

PARTITION_SEATS = 32
"""Seats planned for when the number of partitions decides; a segment has room for twice as many."""
MOST_FILES = 1 << 20
_OTHER_ROWS = 16
_ALL_POOLS = frozenset({"courier", "admin"})


class Memory:
    """A segment and an overseer for each pool at work here, one board for all."""

    def __init__(self, config: Config) -> None:
        self.config = config
        """What those go by who are born from now on."""
        self._courier_bell = bell()
        self.segments: dict[str, Segment] = {}
        self.overseers: dict[str, Overseer] = {}
        self.leaving: set[str] = set()
        """Pools that the config does not have any more; a ring is closed when the last child has gone."""
        self.gone: set[str] = set()
        """Of those, the ones whose last process has left: nobody is born into them any more."""
        self.board = Board(_OTHER_ROWS)
        self.add_pools(config)

    def add_pools(self, config: Config) -> list[str]:
        """Make the rings that `config` has more, and name them. OSError: there is no room for them."""
        made: dict[str, Segment] = {}
        try:
            for pool in lineup.rings(config):
                if pool.key not in self.segments:
                    made[pool.key] = Segment.create(_geometry(config, pool.settings), self._courier_bell)
            overseers = {key: segment.overseer() for key, segment in made.items()}
            rows = sum(_seats(segment) for segment in [*self.segments.values(), *made.values()])
            self.board.grow(_OTHER_ROWS + rows)
        except OSError:
            for segment in made.values():
                segment.close()
            raise
        self.segments.update(made)
        self.overseers.update(overseers)
        if not lineup.takes_kafka(config):
            self._expect_anything(made)
        return [*made]

    def close_pool(self, key: str) -> None:
        """Let go of a ring that nobody uses any more."""
        self.leaving.discard(key)
        self.gone.discard(key)
        self.overseers.pop(key)
        self.segments.pop(key).close()

    def _expect_anything(self, made: Mapping[str, Segment]) -> None:
        """Nobody asks Kafka here how large messages may be: arenas may grow as far as there is room."""
        for key, segment in made.items():
            self.overseers[key].learn_message_limit(segment.geometry.arena_room_bytes // 4)

    def learn_message_limit(self, route: str, limit_bytes: int) -> None:
        """How large the messages of a route's topics may be: its channels get the same ones."""
        for pool in pools_of(self.config.routes[route]):
            if pool.key in self.overseers:
                self.overseers[pool.key].learn_message_limit(limit_bytes)

    def segments_of(self, role: str, pool: str) -> Mapping[str, Segment]:
        """What a role may touch: its own pool's, the courier all."""
        if role in _ALL_POOLS:
            # A courier serves a ring that leaves for as long as somebody works in it.
            without = self.gone if role == "courier" else self.leaving
            return {key: segment for key, segment in self.segments.items() if key not in without}
        return {pool: self.segments[pool]} if pool else {}

    def part(self, kept: Mapping[str, Segment]) -> None:
        """In a child: let go of what belongs to others."""
        for key, segment in self.segments.items():
            if key not in kept:
                segment.close()

    def kafka_room(self, route: str) -> int:
        """How many Kafka feeders the route's segment has seats for."""
        return self.segments[route].geometry.feeders - 1

    def queue_seats(self) -> dict[str, int]:
        """The queue feeder's seat of each pool: the last, so that Kafka's are numbered from 0."""
        return {key: segment.geometry.feeders - 1 for key, segment in self.segments.items()}

    def close(self) -> None:
        """Let go of everything; what nobody has any more is gone."""
        for segment in self.segments.values():
            segment.close()
        self.board.close()
        os.close(self._courier_bell)


def raise_file_limit() -> None:
    """Doorbells are file descriptors: take as many as this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _geometry(config: Config, route: Route) -> Geometry:
    feeders = (route.consumers or PARTITION_SEATS) + 1
    return Geometry.for_pool(feeders, route.handlers, config.ring.messages, config.ring.bytes)


def _seats(segment: Segment) -> int:
    return segment.geometry.feeders + segment.geometry.handlers
