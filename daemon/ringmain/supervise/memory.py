"""The node's shared memory as the supervisor sees it: made before any fork, given out by role.

`run` makes it, the loop looks and gives orders through it. Messages are in there, and nobody here reads them.
"""

import os
import resource
from collections.abc import Mapping

from ringmain.config.schema import Config, Route
from ringmain.rings import Board, Geometry, Overseer, Segment, bell

PARTITION_SEATS = 32
"""Seats planned for when the number of partitions decides; a segment has room for twice as many."""
MOST_FILES = 1 << 20
_OTHER_ROWS = 16
_ALL_ROUTES = frozenset({"courier"})


class Memory:
    """A segment and an overseer for each route, one board for all."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._courier_bell = bell()
        self.segments: Mapping[str, Segment] = {
            name: Segment.create(_geometry(config, route), self._courier_bell)
            for name, route in config.routes.items()
        }
        self.overseers: Mapping[str, Overseer] = {
            name: segment.overseer() for name, segment in self.segments.items()
        }
        self.board = Board(_OTHER_ROWS + sum(_seats(segment) for segment in self.segments.values()))

    def segments_of(self, role: str, route: str) -> Mapping[str, Segment]:
        """What a role may touch: its own route's, the courier all."""
        if role in _ALL_ROUTES:
            return self.segments
        return {route: self.segments[route]} if route else {}

    def part(self, kept: Mapping[str, Segment]) -> None:
        """In a child: let go of what belongs to others."""
        for name, segment in self.segments.items():
            if name not in kept:
                segment.close()

    def kafka_room(self, route: str) -> int:
        """How many Kafka feeders the route's segment has seats for."""
        return self.segments[route].geometry.feeders - 1

    def queue_seat(self, route: str) -> int:
        """The queue feeder's seat: the last, so that Kafka's are numbered from 0."""
        return self.segments[route].geometry.feeders - 1

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
