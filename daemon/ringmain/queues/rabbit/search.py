"""One person's messages in every queue of the app on the broker: found, or forgotten.

`ringmain find` and `forget` enter. Queues are gone through in the order in which messages move, delays before
`ready` and the dead set last. What a running daemon has taken is not in a queue and is not seen here. LOSS: a
frame is published without the person's messages and confirmed before the old one is acked.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from ringmain.errors import QueuesAway
from ringmain.queues import frames, names
from ringmain.queues.contract import Found
from ringmain.queues.envelope import UNREADABLE, Envelope, Packed
from ringmain.queues.filters import Filter, matches
from ringmain.queues.rabbit.access import Access
from ringmain.queues.rabbit.deadrows import Places, merged, shown
from ringmain.queues.rabbit.line import Line
from ringmain.queues.rabbit.locks import Locks
from ringmain.queues.rabbit.outbox import Outbox
from ringmain.queues.rabbit.scan import Held, Scan
from ringmain.queues.rabbit.topology import Topology
from ringmain.retry import LADDER_S

PATIENCE_S = 60.0
_TOGETHER = 32
"""Frames that are written anew before the old ones go: when the broker fails, so many are there twice."""


class Cut(NamedTuple):
    """What a message of a queue holds of the person, and what else: the other messages of a frame."""

    held: Held
    found: list[Found]
    rest: list[Envelope]


class RabbitSearch:
    """contract.Search over a connection of its own."""

    def __init__(self, app: str, access: Access, topology: Topology, places: Places) -> None:
        self._app = app
        self._places = places
        self._line = Line(access)
        try:
            self._locks = Locks(self._line, app)
            self._scan = Scan(self._line, topology.kind)
            self._outbox = Outbox(self._line, topology, self._scan)
        except BaseException:
            self._line.close()
            raise

    def find(self, chosen: Filter) -> Iterator[Found]:
        """Everything goes back."""
        for queue, depth in self._waiting():
            with self._in_hand():
                found = [one for cut in self._cuts(queue, depth, chosen) for one in cut.found]
            yield from found

    def forget(self, chosen: Filter) -> Iterator[Found]:
        """Queue by queue, some at a time; what is said was heard by the broker."""
        for queue, depth in self._waiting():
            with self._in_hand():
                cuts = [cut for cut in self._cuts(queue, depth, chosen) if cut.found]
                for first in range(0, len(cuts), _TOGETHER):
                    some = cuts[first : first + _TOGETHER]
                    self._rewrite(some)
                    self._scan.ack([cut.held for cut in some])
                    yield from (found for cut in some for found in cut.found)

    def close(self) -> None:
        """Let go."""
        self._line.close()

    def _waiting(self) -> Iterator[tuple[str, int]]:
        """(queue, how many wait there), in the order of moving.

        Asked when its turn has come: what moves on meanwhile, from a delay to `ready`, is met where it went.
        """
        for route, channel in self._places:
            for queues in self._stages(route, channel):
                depths = self._scan.depths(queues)
                yield from ((queue, depths[queue]) for queue in queues if depths.get(queue))

    def _stages(self, route: str, channel: str) -> Iterator[Sequence[str]]:
        yield [] if channel else [names.overflow(self._app, route)]
        yield [names.delay(self._app, route, step_s, channel) for step_s in LADDER_S]
        yield [names.ready(self._app, route, channel)]
        yield [names.dead(self._app, route, channel)]

    def _cuts(self, queue: str, depth: int, chosen: Filter) -> Iterator[Cut]:
        place = names.parse(queue)
        if place.kind == "dead":  # found under the ids that the dead set shows
            for dead, held in merged(self._scan, {queue: depth}, depth):
                if matches(chosen, dead.route, dead.channel, dead.envelope):
                    yield Cut(held, [Found(queue, dead.id, dead.envelope)], [])
            return
        for number, held in enumerate(self._scan.rows(queue, depth, depth)):
            envelopes = _messages(held)
            passing = [matches(chosen, place.route, place.channel, envelope) for envelope in envelopes]
            found = [
                Found(queue, f"{number}.{within}" if len(envelopes) > 1 else str(number), envelope)
                for within, (envelope, passes) in enumerate(zip(envelopes, passing, strict=True))
                if passes
            ]
            rest = [envelope for envelope, passes in zip(envelopes, passing, strict=True) if not passes]
            yield Cut(held, found, rest if found else [])

    def _rewrite(self, cuts: Sequence[Cut]) -> None:
        letters = [(cut.held.queue, frames.pack(cut.rest)) for cut in cuts if cut.rest]
        unsafe = [reason for reason in self._outbox.send(letters) if reason] if letters else []
        if unsafe:
            raise QueuesAway(f"a frame could not be written anew, nothing of it is forgotten: {unsafe[0]}")

    @contextmanager
    def _in_hand(self) -> Iterator[None]:
        self._locks.take_scan(PATIENCE_S)
        try:
            yield
        finally:
            self._scan.release()
            self._locks.leave_scan()


def _messages(held: Held) -> list[Envelope]:
    if isinstance(held.message, Packed):
        try:
            return frames.unpack(held.message.body)
        except UNREADABLE:
            return []
    return [shown(held.message)]
