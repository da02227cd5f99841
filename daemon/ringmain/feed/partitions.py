"""The Kafka source of a feeder: partitions come and go, their messages are placed, their offsets committed.

The loop enters by the Source protocol, the Kafka client by the Assignment protocol (both in the same thread:
assignments arrive within poll). An offset is committed only below the first unsettled one, and a partition is
given away only after its last commit or the deadline.
"""

import logging
import math

from ringmain import clock, verdict
from ringmain._fastpath import PartitionQueue, keep_freed_memory
from ringmain.config.schema import Route
from ringmain.errors import FatalKafkaError
from ringmain.feed.commits import LAST_S, Commits
from ringmain.feed.diverting import diverter
from ringmain.feed.loop import BEAT_S, LOOK_S, OVERSIZE, Feeder
from ringmain.feed.owned import Owned
from ringmain.feed.seeking import target
from ringmain.feed.sparing import Sparing
from ringmain.feed.standstill import Standstill
from ringmain.feed.transacting import Transacting
from ringmain.kafka.assignment import UNKNOWN, Partition
from ringmain.kafka.properties import Member
from ringmain.kafka.source import KafkaSource
from ringmain.lifecycle import Assigned, Measured, Paused, Seek, Sought
from ringmain.queues.frames import FRAME_BYTES
from ringmain.rings import REVOKED, WENT_BACK, FeederSide, FeederTerms, Intake, courier_is_greeted
from ringmain.seat import Seat

_AT_ONCE = 2048
_COURIER_S = 0.05
_KILLED_WITHIN_S = 2.0
_TELL_S = 1.0
_RUN_LIMIT = 64

_log = logging.getLogger(__name__)


def run_over_kafka(seat: Seat) -> int:
    """A feeder over this seat's share of the route's partitions."""
    keep_freed_memory()
    route = seat.config.routes[seat.route]
    terms = FeederTerms(
        route.order,
        run_limit=_RUN_LIMIT,
        commit_window=seat.config.commit.window,
        courier_share=route.overflow is not None,
    )
    side = seat.segments[seat.pool].open_feeder(seat.index, seat.incarnation, terms)
    feeder = Feeder(seat, route, side)
    # Before the client: where none can be made, the seats of handlers that died are free all the same.
    feeder.settle()
    return feeder.run(Partitions(seat, route, feeder))


class Partitions:
    """Source and Assignment in one: what this feeder owns."""

    def __init__(self, seat: Seat, route: Route, feeder: Feeder) -> None:
        config = seat.config
        self._seat = seat
        self._route = route
        self._feeder = feeder
        self._side: FeederSide = feeder.side
        self._intake = Intake(self._side, OVERSIZE)
        if route.through is not None:  # no handler ever sees what comes from Kafka
            self._intake.straight(verdict.CHANNEL, verdict.encode(verdict.to_channel(route.through)))
        self._diverter = diverter(seat, route, self._side, self._intake)
        self._owned: dict[Partition, Owned] = {}
        self._quiet = False
        self._leaves: Sparing | None = None
        self._leave_by_s = math.inf
        self._paused = Paused()
        self._told_s, self._told = 0.0, True
        self._standstill = Standstill()
        member = Member(config.name, route.name, config.node, seat.index, route.membership)
        self._kafka = KafkaSource(member, route.topics, route.kafka, self)
        if self._kafka.slow_because:
            _log.warning("messages go through Python objects", extra={"reason": self._kafka.slow_because})
        transactional = route.transactional
        self._commits = Commits(
            self._kafka, self._side, config.commit.interval_s, transactional=transactional
        )
        self._transacting = Transacting(seat, self._side, self._kafka, self._owned) if transactional else None
        feeder.transacting = self._transacting
        self._kafka.start()

    # -- the loop's side -----------------------------------------------------------------------------------

    def take(self) -> bool:
        """Serve the client, then place what fits. True = there may be more at once."""
        self._kafka.poll()
        if self._transacting is not None:
            self._transacting.look()
        if self._quiet or self._waits_for_courier():
            return False
        more = self._place(list(self._owned.values()))
        if self._diverter is not None:
            self._diverter.watch(clock.monotonic_s(), self.stalled(), self._lag)
        return more

    def _waits_for_courier(self) -> bool:
        """What goes to the courier and was placed before the courier came is sent to it twice."""
        return self._route.through is not None and not courier_is_greeted(self._side)

    def _place(self, partitions: list[Owned]) -> bool:
        more = False
        for owned in partitions:
            if owned.held or owned.resting:
                continue
            if owned.stalled and self._side.busy and not self._side.roomy:
                continue  # PERF: a full ring is filled a sixteenth at a time, not message by message
            taken = self._intake.take(owned.queue, owned.index, _AT_ONCE)
            owned.stalled = self._intake.stalled
            more = more or (taken > 0 and not owned.stalled)
        for index, code, offset, text in self._intake.take_events():
            if code == WENT_BACK:
                self._begin_again(index, offset)
            else:
                _log.warning("a fetch failed", extra={"partition": index, "offset": offset, "reason": text})
                self._kafka.note_event(code, text)
        return more

    def _begin_again(self, index: int, offset: int) -> None:
        """Kafka went back below what was taken (the topic was made anew, or truncated): so do the commits."""
        for (topic, partition), owned in self._owned.items():
            if owned.index == index:
                owned.asked = owned.committed = -1
                self._side.tell_partition(index, UNKNOWN, UNKNOWN, owned.held)
                _log.warning(
                    "the partition begins again at an earlier offset",
                    extra={"topic": topic, "partition": partition, "offset": offset},
                )

    def stalled(self) -> bool:
        """Messages are there, and no room for them."""
        return any(owned.stalled for owned in self._owned.values())

    def commit(self) -> None:
        """Commit what is settled, each `commit.interval_s`, and let others know how far we are."""
        now_s = clock.monotonic_s()
        if now_s - self._told_s >= min(_TELL_S, self._seat.config.commit.interval_s):
            self._told_s = now_s
            self._tell_facts()
            if not self._told:
                self._tell()
            if (client := self._kafka.news()) is not None:
                self._seat.link.send(Measured(client))
        if self._commits.send(self._owned, now_s):
            self._watch(now_s)

    def _watch(self, now_s: float) -> None:
        """A client that fetches nothing although there is something: a new process is the remedy."""
        behind: dict[Partition, int] = {}
        if not self._quiet and not self._kafka.problem:
            for pair, end in self._kafka.end_offsets().items():
                owned = self._owned.get(pair)
                if owned is None or owned.stalled or owned.held or owned.resting:
                    continue
                if 0 <= self._side.position(owned.index) < end:
                    behind[pair] = self._side.position(owned.index)
        for topic, partition in self._standstill.overdue(behind, now_s):
            raise FatalKafkaError(
                f"{topic}/{partition} stands still at {behind[topic, partition]} although more is there"
            )

    def _lag(self) -> int:
        """Messages in Kafka that could be taken and were not yet, as far as is known."""
        lag = 0
        for pair, end in self._kafka.end_offsets().items():
            owned = self._owned.get(pair)
            lag += max(0, end - self._side.position(owned.index)) if owned and not owned.held else 0
        return lag

    def _tell_facts(self) -> None:
        ends = self._kafka.end_offsets()
        for pair, owned in self._owned.items():
            # The end is some seconds old, and what was taken since is beyond it.
            end = max(ends[pair], self._side.position(owned.index)) if pair in ends else UNKNOWN
            self._side.tell_partition(owned.index, self._commits.known(owned), end, owned.held)

    def timeout_s(self) -> float:
        """Until the next commit, or as the client wants it."""
        timeout_s = _COURIER_S if self._waits_for_courier() else self._kafka.longest_wait_s
        return min(timeout_s, self._commits.wait_s(self._owned))

    def fds(self) -> list[int]:
        """The client's bell."""
        return [self._kafka.fileno()]

    def quiet(self) -> None:
        """Place nothing new; the client is still served."""
        self._quiet = True

    def pause(self, paused: Paused) -> None:
        """Take nothing of these; the client is still served, so the group does not notice."""
        self._paused = paused
        for pair, owned in self._owned.items():
            self._hold(owned, self._is_paused(*pair))
        self._tell_facts()

    def _is_paused(self, topic: str, partition: int) -> bool:
        named = self._paused.partitions
        return self._paused.everything or (topic, partition) in named or (topic, -1) in named

    def _hold(self, owned: Owned, held: bool) -> None:
        owned.held = held
        owned.stalled = owned.stalled and not held

    def seek(self, order: Seek) -> Sought:
        """Send a partition elsewhere, with everything of it settled or withdrawn first.

        The client is not polled meanwhile, so no rebalance comes in between; the other partitions are served.
        """
        pair = order.topic, order.partition
        owned = self._owned.get(pair)
        if owned is None or self._quiet:
            return Sought(*pair, reason="it is not taken here now")
        offset, reason = target(self._kafka, order)
        if reason:
            return Sought(*pair, reason=reason)
        self._hold(owned, True)
        self._intake.drop(owned.index)
        owned.sought = True
        self._let_finish({pair: owned}, clock.monotonic_s() + self._seat.config.revoke_s)
        if refusal := self._kafka.seek(*pair, offset):
            # LOSS: what was withdrawn comes again to a new process only.
            raise FatalKafkaError(f"{pair[0]}/{pair[1]} cannot be sent to {offset}: {refusal}")
        self._move(pair, owned, offset)
        return Sought(*pair, offset)

    def _move(self, pair: Partition, owned: Owned, offset: int) -> None:
        before, late = self._side.close_partition(owned.index)
        self._side.open_partition(owned.index, offset)
        owned.sought = False
        stands = self._kafka.commit_now({pair: offset}, LAST_S)
        owned.asked = owned.committed = offset if stands else UNKNOWN  # or the next commit says it again
        # ORDER: on its way still, it could come behind a transaction's.
        owned.resting = self._transacting is not None and not stands
        self._hold(owned, self._is_paused(*pair))
        self._tell_facts()
        said = {"topic": pair[0], "partition": pair[1], "before": before, "offset": offset, "late": late}
        _log.info("sent elsewhere", extra={**said, "committed": stands})

    def retire(self) -> None:
        """Leave the group for good.

        ORDER: nothing new is placed. What leave() has withdrawn is the next owner's, and what lies behind it
        in its key must not be executed here first; it would not be committed either.
        """
        self.quiet()
        self._kafka.retire()

    def leave(self, deadline_s: float) -> bool:
        """Withdraw what nobody began. True = what was begun is committed, or the deadline has passed."""
        now_s = clock.monotonic_s()
        if self._leaves is None:
            self._leaves = Sparing(now_s, deadline_s)
        self._leave_by_s = deadline_s
        self._withdraw_all(self._owned, self._leaves)
        waited = now_s >= deadline_s
        if self._side.busy and not waited:
            return False
        self._commits.hurry()
        return waited or self._commits.done(self._owned)

    def close(self) -> None:
        """The last commit, then leave (a static member's partitions stay its own for the session timeout)."""
        self._commits.hurry()
        self._commits.last(self._owned)
        if not self._kafka.close():
            _log.warning("Kafka's client does not close: going without it")

    def problem(self) -> str:
        """What keeps Kafka from serving us."""
        return self._kafka.problem or ""

    def refused(self) -> bool:
        """Kafka's word on what is wrong is the problem's own."""
        return False

    # -- the client's side ---------------------------------------------------------------------------------

    def assigned(self, topic: str, partition: int, queue: PartitionQueue, start_offset: int) -> None:
        """A partition is ours: a new epoch begins at `start_offset`."""
        index = self._side.partition_index(topic, partition)
        self._side.open_partition(index, start_offset)
        owned = Owned(queue, index, start_offset, start_offset, held=self._is_paused(topic, partition))
        self._owned[topic, partition] = owned
        self._side.tell_partition(index, owned.committed, UNKNOWN, owned.held)
        if self._transacting is not None:
            self._transacting.tell()
        _log.info("assigned", extra={"topic": topic, "partition": partition, "offset": start_offset})

    def regrouped(self) -> None:
        """Also when nothing is different here: another node may have come, which wants its share of seats."""
        if self._transacting is not None:
            self._transacting.begin()
        self._tell()

    def revoked(self, partitions: list[Partition], lost: bool) -> None:
        """Settle what was begun, commit, give away; `lost` = another member has them already."""
        going = {pair: self._owned.pop(pair) for pair in partitions if pair in self._owned}
        if self._transacting is not None:
            self._transacting.tell()
            self._transacting.going = going
        for owned in going.values():
            self._intake.drop(owned.index)
        began_s = clock.monotonic_s()
        if lost:
            for owned in going.values():
                self._withdraw(owned, lost)
            if self._route.order != "none":
                self._end_ordered(going)  # there may be calls of the same keys elsewhere already
        else:
            # ORDER: what leave() waited for is not waited for again: soon after its deadline we are killed.
            self._let_finish(going, min(began_s + self._seat.config.revoke_s, self._leave_by_s))
            self._commits.last(going)
        for (topic, partition), owned in going.items():
            low, late = self._side.close_partition(owned.index)
            _log.info(
                "lost" if lost else "revoked",
                extra={
                    "topic": topic,
                    "partition": partition,
                    "offset": low,
                    "late": late,
                    "seconds": round(clock.monotonic_s() - began_s, 3),
                },
            )
        self._tell()

    def committed(self, offsets: dict[Partition, int], refusal: str) -> None:
        """The answer to a commit."""
        self._commits.answered(self._owned, offsets, refusal)

    # -- giving away ---------------------------------------------------------------------------------------

    def _let_finish(self, going: dict[Partition, Owned], deadline_s: float) -> None:
        """Wait for what was begun in `going`, and at first for what lies below it; the others are served."""
        sparing = Sparing(clock.monotonic_s(), deadline_s)
        self._withdraw_all(going, sparing)
        while self._out_of_reach(going) and clock.monotonic_s() < deadline_s:
            self._turn(going, sparing)
        # ORDER: before the last commit: what is begun after it would be done twice, and out of its order.
        self._withdraw_all(going)
        if self._route.order != "none" and self._out_of_reach(going):
            self._end_ordered(going)

    def _end_ordered(self, going: dict[Partition, Owned]) -> None:
        """Ordered work must not go on here while another member begins: its handlers are killed."""
        deadline_s = clock.monotonic_s() + _KILLED_WITHIN_S
        asked: set[int] = set()
        # ORDER: withdrawn, they are begun by nobody else; each turn asks for whom no order was taken yet.
        while (executing := self._executing(going)) and clock.monotonic_s() < deadline_s:
            asked &= executing
            asked |= self._feeder.kill_handlers(executing - asked, REVOKED, "its partition was given away")
            self._turn(going)

    def _executing(self, going: dict[Partition, Owned]) -> set[int]:
        return {seat for owned in going.values() for seat in self._side.executing_seats(owned.index)}

    def _turn(self, going: dict[Partition, Owned], sparing: Sparing | None = None) -> None:
        self._feeder.settle()
        self._withdraw_all(going, sparing)
        if not self._quiet:
            self._place(list(self._owned.values()))
        self._feeder.beat()
        self._feeder.nap_for(min(LOOK_S, BEAT_S))

    def _withdraw_all(self, going: dict[Partition, Owned], sparing: Sparing | None = None) -> None:
        spare = sparing is not None and sparing.goes_on(
            any(self._side.in_flight(owned.index, at_hand=True) for owned in going.values()),
            self._feeder.waiting.next_s,
        )
        for owned in going.values():
            self._withdraw(owned, spare=spare)

    def _withdraw(self, owned: Owned, lost: bool = False, spare: bool = False) -> None:
        """What nobody began is the next owner's; where later ones have overflowed it follows them.

        Left behind it would be a gap, below which nothing counts as committed: all of those would come again.
        `spare`: of the ring as well, what lies below something begun is still executed, if anybody executes.
        """
        overflowed = self._diverter is not None and self._diverter.was_on and not (lost or owned.sought)
        spare = spare and not (overflowed or owned.sought or self._side.paused)
        self._side.withdraw(owned.index, FRAME_BYTES if overflowed else 0, spare)

    def _out_of_reach(self, going: dict[Partition, Owned]) -> bool:
        return any(self._side.in_flight(owned.index) for owned in going.values())

    def _tell(self) -> None:
        self._told = self._seat.link.send(Assigned(sorted(self._owned)))
