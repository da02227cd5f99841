"""Acting on the dead set in RabbitMQ: what is picked is in hand; published, confirmed, and only then acked.

A bulk job enters, by RabbitDeadSet.hold. LOSS: whatever ends this process or its connection gives back what
is not acked, so a message is in the dead set or in `ready` or, for a moment or after a crash, in both.
Messages are in hand for a few seconds at a time: then all goes back, others may look, and the next round
begins at the head again. ORDER: what stays keeps its place, but for a connection that is lost with messages
in hand.
"""

from collections.abc import Generator, Iterator, Sequence

from ringmain.clock import monotonic_s
from ringmain.queues import marks, names
from ringmain.queues.contract import Acted, Dead
from ringmain.queues.filters import Filter, matches
from ringmain.queues.rabbit.deadrows import Places, merged, queues_of
from ringmain.queues.rabbit.line import Line
from ringmain.queues.rabbit.locks import Locks
from ringmain.queues.rabbit.outbox import Outbox
from ringmain.queues.rabbit.scan import Held, Scan
from ringmain.queues.rabbit.topology import Topology
from ringmain.queues.replay import GONE, anew, parted

IN_HAND_S = 3.0
"""A round ends with the first batch after this, so that others can look."""
TURN_S = 60.0
"""How long a job waits for those who look."""
_YIELD_S = 0.2
_ARRIVALS_S = 2.0
_BATCH_BYTES = 16 << 20


class RabbitHold:
    """contract.Hold over a connection of its own."""

    def __init__(self, app: str, line: Line, topology: Topology, places: Places, who: str) -> None:
        self._app = app
        self._line = line
        self._places = places
        try:
            self._locks = Locks(line, app)
            self._locks.take_hold(who)
            self._scan = Scan(line, topology.kind)
            self._outbox = Outbox(line, topology, self._scan)
            self._left = self._waiting()
        except BaseException:
            line.close()
            raise
        self._in_hand: dict[str, Held] = {}
        self._seen: set[str] = set()
        self._round_s: float | None = None
        self._rounds = 0
        self._heard = 0
        self._said: set[str] = set()
        self._next_look_s = 0.0

    def pick(self, chosen: Filter, before: str | None = None, at_once: int = 500) -> Iterator[list[Dead]]:
        """Batches in rounds; what was left where it is in one round is passed over in the next."""
        if before is not None:
            marked = marks.read(before)
            self._left = {queue: min(left, marked.get(queue, 0)) for queue, left in self._left.items()}
        while not (yield from self._round(chosen, at_once)):
            self._line.events(_YIELD_S)

    def replay(self, batch: Sequence[Dead]) -> Acted:
        """Published together, acked as far as confirmed."""
        able, refused = parted(batch)
        refused += [(dead.id, GONE) for dead in able if dead.id not in self._in_hand]
        able = [dead for dead in able if dead.id in self._in_hand]
        letters = [(names.ready(self._app, dead.route, dead.channel), anew(dead.envelope)) for dead in able]
        said = self._outbox.send(letters)
        done = [dead.id for dead, reason in zip(able, said, strict=True) if not reason]
        self.remove(done)
        return Acted(done, refused + [(dead.id, why) for dead, why in zip(able, said, strict=True) if why])

    def remove(self, ids: Sequence[str]) -> None:
        """Acked, and the broker has heard it."""
        gone = [self._in_hand.pop(entry_id) for entry_id in ids if entry_id in self._in_hand]
        self._scan.ack(gone)
        self._seen.difference_update(ids)
        for held in gone:
            self._left[held.queue] -= 1

    def arrivals(self) -> list[Dead]:
        """Depths tell whether there are any; only then they are read, and not all the time."""
        if monotonic_s() < self._next_look_s:
            return []
        self._next_look_s = monotonic_s() + _ARRIVALS_S
        self._end_round()
        depths = self._depths()
        more = sum(depth - self._left.get(queue, 0) for queue, depth in depths.items())
        return self._newest(depths, more) if more > self._heard else []

    def rest(self, for_s: float) -> None:
        """Nothing is in hand meanwhile, but for the shortest of rests."""
        if self._is_long():
            self._end_round()
        until_s = monotonic_s() + for_s
        while (left_s := until_s - monotonic_s()) > 0:
            self._scan.listen(left_s)

    def close(self) -> None:
        """Back with what is in hand, then the locks go with the connection."""
        try:
            self._end_round()
            self._locks.leave_hold()
        finally:
            self._line.close()

    def _round(self, chosen: Filter, at_once: int) -> Generator[list[Dead], None, bool]:
        """Batches until all was passed (True), or until it is others' turn."""
        number = self._begin_round()
        batch: list[Dead] = []
        size_bytes = 0
        for dead, held in merged(self._scan, self._meant(chosen), at_once):
            if not self._passes(chosen, dead):
                continue
            batch.append(dead)
            self._seen.add(dead.id)
            self._in_hand[dead.id] = held
            size_bytes += len(dead.envelope.value or b"")
            if len(batch) >= at_once or size_bytes >= _BATCH_BYTES:
                yield batch
                if self._rounds != number or self._round_s is None or self._is_long():
                    self._end_round()
                    return False
                batch, size_bytes = [], 0
        if batch:
            yield batch
        self._end_round()
        return True

    def _passes(self, chosen: Filter, dead: Dead) -> bool:
        if dead.id in self._seen or (chosen.ids and dead.id not in chosen.ids):
            return False
        return matches(chosen, dead.route, dead.channel, dead.envelope)

    def _meant(self, chosen: Filter) -> dict[str, int]:
        """What is left of what the job is about, in the queues that it can be in."""
        queues = queues_of(self._app, self._places, chosen)
        return {queue: self._left[queue] for queue in queues if self._left.get(queue, 0)}

    def _begin_round(self) -> int:
        self._locks.take_scan(TURN_S)
        self._round_s = monotonic_s()
        self._rounds += 1
        return self._rounds

    def _end_round(self) -> None:
        self._in_hand.clear()
        if self._round_s is not None:
            self._round_s = None
            self._scan.release()
            self._locks.leave_scan()

    def _is_long(self) -> bool:
        return self._round_s is not None and monotonic_s() - self._round_s >= IN_HAND_S

    def _waiting(self) -> dict[str, int]:
        """What the job is about at most: also what somebody who looks has in hand just now."""
        self._locks.take_scan(TURN_S)
        try:
            return self._depths()
        finally:
            self._locks.leave_scan()

    def _depths(self) -> dict[str, int]:
        return self._scan.depths(queues_of(self._app, self._places, Filter()))

    def _newest(self, depths: dict[str, int], more: int) -> list[Dead]:
        self._begin_round()
        found: list[Dead] = []
        for queue, depth in depths.items():
            old = self._left.get(queue, 0)
            if depth > old:
                found += [dead for dead, _ in merged(self._scan, {queue: depth}, depth)][old:]
        self._end_round()
        self._heard = more
        news = [dead for dead in found if dead.id not in self._said]
        self._said.update(dead.id for dead in news)
        return news
