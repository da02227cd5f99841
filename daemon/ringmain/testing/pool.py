"""One route's or channel's ring within this process, all of its sides in one hand.

The harness enters: place, serve, settle. Ring, plan and letters are production's own; what a feeder and the
courier do around them in processes of theirs is done here in turn. No queue, no disk, no other process.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from ringmain import verdict
from ringmain.courier.letters import Desk, Letter, write
from ringmain.feed.waiting import Waiter, Waiting
from ringmain.handle.plan import Plan
from ringmain.queues.envelope import Envelope, encode_meta, meta_of
from ringmain.rings import (
    GATE_OPERATOR,
    CourierSide,
    FeederSide,
    FeederTerms,
    Geometry,
    HandlerSide,
    Parcel,
    Segment,
    bell,
    origin_of,
    pack_headers,
)
from ringmain.testing.recorder import Recorder, Said, outcome_of, recording
from ringmain.verdict import CHANNEL, PAUSE

SLOTS = 1024
BLOCK_BYTES = 256
LIMIT_BYTES = 1 << 30
"""The queues of a test hold any value."""
_WINDOW = 64
_RUN_LIMIT = 64
_AT_ONCE = 256


class News(NamedTuple):
    """What has become of messages since the last look."""

    said: list[Said]
    letters: list[tuple[str, Letter]]
    """By message id: what went to the queues."""
    settled: list[str]
    """Ids that the ring is done with and the queues did not get."""


@dataclass(frozen=True)
class Place:
    """Whose ring it is."""

    key: str
    order: str
    arena_bytes: int
    desk: Desk


class Pool:
    """The ring of one route or channel."""

    def __init__(self, place: Place, planned: Callable[[Callable[[float], None]], Plan] | None) -> None:
        """`planned` makes the plan, given what pauses the route; None = the app has no handler here."""
        self.place, self.waiting = place, Waiting()
        self.paused_until_s: float | None = None
        self.now_s = 0.0
        self._plan: Plan | None = None
        self.recorder: Recorder | None = None
        if planned:
            self._plan, self.recorder = _recorded(planned(self.pause))
        self._bell = bell()
        self._segment = Segment.create(Geometry(1, 1, SLOTS, place.arena_bytes, BLOCK_BYTES), self._bell)
        self._overseer = self._segment.overseer()
        self.handler: HandlerSide = self._segment.open_handler(0, self._overseer.admit(0))
        terms = FeederTerms(place.order, run_limit=_RUN_LIMIT, commit_window=_WINDOW, tagged=True)
        self.feeder: FeederSide = self._segment.open_feeder(0, 1, terms)
        self._courier: CourierSide = self._segment.open_courier(1)
        self.feeder.greet_courier()
        self._compiled = self._plan.compiled() if self._plan else None
        self._batches = self._plan.batches() if self._plan else None
        self.handler.limit_runs(self._plan.run_limit if self._plan else 0)
        self._ids: dict[int, str] = {}
        self._next_tag = 1

    @property
    def plan(self) -> Plan:
        """How its messages become calls."""
        assert self._plan is not None
        return self._plan

    @property
    def ready(self) -> bool:
        """Whether there is a message that a handler may take now."""
        return self.feeder.unclaimed > 0 and self.paused_until_s is None

    @property
    def memory(self) -> tuple[Segment, int]:
        """What outlives this object unless it is closed: `release` takes it."""
        return self._segment, self._bell

    # -- in ----------------------------------------------------------------------------------------------

    def put(self, message: Envelope, through: str = "") -> bool:
        """Into the ring, or straight on to channel `through`. False = it is full."""
        index = self.feeder.partition_index(message.topic, message.partition)
        if not self.feeder.in_flight(index):
            self.feeder.open_partition(index, 0)
        tag, self._next_tag = self._next_tag, self._next_tag + 1
        placed = self.feeder.place(
            index,
            message.offset,
            message.value,
            key=message.key,
            headers=pack_headers(message.headers),
            timestamp_ms=message.timestamp_ms,
            attempt=message.attempt,
            meta=encode_meta(meta_of(message)),
            tag=tag,
            verdict=CHANNEL if through else 0,
            detail=verdict.encode(verdict.to_channel(through)) if through else b"",
        )
        if placed:
            self._ids[tag] = message.message_id
        self.feeder.flush()
        return placed

    def pause(self, for_s: float) -> None:
        """Take nothing new for so long on the harness's clock."""
        self.paused_until_s = max(self.paused_until_s or 0.0, self.now_s + for_s)
        self._overseer.close_gate(GATE_OPERATOR)

    def tick(self, now_s: float) -> list[tuple[str, int]]:
        """It is so late: what is due may be called again. Ids and attempts of what had waited in place."""
        self.now_s = now_s
        if self.paused_until_s is not None and self.paused_until_s <= now_s:
            self.paused_until_s = None
            self._overseer.open_gate(GATE_OPERATOR)
        again = []
        for waiter in self.waiting.due(now_s):
            message_id, _ = origin_of(self.feeder, waiter.slot)
            self.feeder.resume(waiter.slot, waiter.token, waiter.counted)
            again.append((message_id, self.feeder.attempt_of(waiter.slot)))
        self.feeder.flush()
        return again

    def due_s(self) -> float | None:
        """When something of it is due next."""
        times = [at_s for at_s in (self.waiting.next_s, self.paused_until_s) if at_s is not None]
        return min(times, default=None)

    # -- calls -------------------------------------------------------------------------------------------

    def serve(self) -> int:
        """One claim, or one batch, of a sync handler; how many messages were executed."""
        assert self._compiled is not None
        if self._batches is not None:
            executed = self.handler.serve_batch(self._batches, SLOTS)
            while self.handler.held:
                executed += self.handler.serve_batch(self._batches, 0)
            return executed
        return self.handler.serve(self._compiled)

    # -- out ---------------------------------------------------------------------------------------------

    def settle(self, now_ms: int) -> News:
        """Take in what handlers said, and carry what has to be carried."""
        letters: list[tuple[str, Letter]] = []
        said = self.recorder.take() if self.recorder else []
        self.handler.flush()
        self._take_back()
        while parcels := self._courier.take(_AT_ONCE):
            for parcel in parcels:
                letter = write(self.place.desk, parcel, now_ms)
                letters.append((letter.envelope.message_id, letter))
                said += self._unsaid(said, letter.envelope.message_id, parcel)
            self._courier.ack(parcels)
            self._take_back()
        self._wait_in_place(said, now_ms)
        self.feeder.flush()
        carried = {message_id for message_id, _ in letters}
        gone = [self._ids.pop(tag) for tag in self.feeder.take_tags()]
        return News(said, letters, [message_id for message_id in gone if message_id not in carried])

    def _take_back(self) -> None:
        self.feeder.settle()
        self.feeder.flush()

    def _wait_in_place(self, said: list[Said], now_ms: int) -> None:
        """Retries of ordered routes, and what said Pause: as the feeder's loop does."""
        for slot, code, attempt, detail in self.feeder.take_events():
            failure, message_id = verdict.decode(detail), origin_of(self.feeder, slot)[0]
            if not any(each.id == message_id for each in said):  # one of a batch that paused as a whole
                said.append(Said(message_id, attempt, outcome_of(code, failure), True, failure.delay_s, None))
            counted = failure.counted and code != PAUSE
            due_s = self.now_s + (failure.delay_s or 0.0)
            self.waiting.add(Waiter(due_s, slot, self.feeder.token(slot), counted))
            if code != PAUSE:
                self.feeder.failed_first(slot, now_ms)

    def _unsaid(self, said: list[Said], message_id: str, parcel: Parcel) -> list[Said]:
        """A verdict that came about without the resolver's word, such as `through`: nobody was called."""
        if parcel.verdict == CHANNEL or any(each.id == message_id for each in said):
            return []
        failure = verdict.decode(parcel.detail)
        outcome = outcome_of(parcel.verdict, failure)
        return [Said(message_id, parcel.attempt, outcome, False, failure.delay_s, None)]


def release(memory: tuple[Segment, int]) -> None:
    """Let go of a pool's descriptors."""
    segment, courier_bell = memory
    segment.close()
    os.close(courier_bell)


def _recorded(plan: Plan) -> tuple[Plan, Recorder]:
    recorder = recording(plan.resolver)
    return replace(plan, resolver=recorder), recorder
