"""The ring's protocol as a small machine, explored over ALL interleavings: what no stress test can promise.

A feeder, two handlers and the courier, two slots, a crash of anybody between any two atomic steps. Each step
here is one atomic step of `_fastpath/*.pxi`; what a process does privately between two shared steps is folded
into them. `explore()` walks every reachable state and raises Broken with the shortest way to the first one
that breaks a promise:

- what is committed was executed to its end, or is in the queues; nothing is settled twice in one epoch
- nobody executes a message that somebody else alive is executing in the same epoch
- nobody changes a slot between the feeder's look at it and its plain store, where there is one
- where nothing can happen any more, every message is settled and every slot is free

`laws` can be taken away one by one, to see that the model would notice.
"""

import gc
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

FREE, READY, CLAIMED, EXECUTING, DONE, TO_COURIER, COURIER = range(7)
NOBODY = (-1, -1)

ANNOUNCE_FIRST = "a claim is announced before the head moves"
ACKS_CHECKED = "an ack counts only with the slot's seq and a verdict in the slot"
SWAP_TAKES_BACK = "a claimed slot is taken back by compare and swap"
ACKS_BEFORE_CLAIMS = "a dead handler's seat is given on only when its claims are resolved"
UNSENT_IS_SENT_AGAIN = "a feeder sends again what the last one may not have sent to the courier"
EPOCH_CHECKED = "a verdict of an older epoch moves no offset"
COURIER_IS_GREETED = "a new courier is sent what the last one had"
STRAYS_ARE_SOUGHT = "where the ring has come round since a dead handler's claim, its slots are looked for"
HEAD_COMES_FIRST = "what is diverted is taken by a swap on the head before its slots are touched"
LAWS = frozenset(
    {
        ANNOUNCE_FIRST,
        ACKS_CHECKED,
        SWAP_TAKES_BACK,
        ACKS_BEFORE_CLAIMS,
        UNSENT_IS_SENT_AGAIN,
        EPOCH_CHECKED,
        COURIER_IS_GREETED,
        HEAD_COMES_FIRST,
        STRAYS_ARE_SOUGHT,
    }
)


class Broken(Exception):
    """A promise is broken; the message says which, and the steps that lead there."""


class Slot(NamedTuple):
    state: int = FREE
    seq: int = 0
    seat: int = -1
    offset: int = -1
    epoch: int = 0


class Handler(NamedTuple):
    at: str = "idle"  # idle, announced, read, moved, marking, executing, verdict left, dead, buried
    head: int = 0
    announced: tuple[int, int] = (0, 0)  # head, n
    batch: tuple[tuple[int, int], ...] = ()  # (slot, seq) read from the ring, then those claimed
    next: int = 0
    running: tuple[int, int] = NOBODY  # offset and epoch of the message inside the user's code
    acks: tuple[tuple[int, int], ...] = ()


class State(NamedTuple):
    slots: tuple[Slot, ...]
    ring: tuple[tuple[int, int], ...]
    handlers: tuple[Handler, ...]
    head: int = 0
    tail: int = 0
    # the feeder
    feeder: str = "up"  # up, publishing, sending, acked (an ack's work is done, its head not moved), down
    seq: int = 0
    epoch: int = 1
    position: int = 0
    unsettled: frozenset[int] = frozenset()
    low: int = 0
    acking: int = -1
    looking: int = -1  # a slot that is about to be taken back without a swap
    diverting: tuple[tuple[int, int], ...] = ()  # (slot, seq) that was taken and is to be looked at
    looked_at: tuple[int, int] = NOBODY  # the one about to be sent or published again
    kept: int = 0
    unshown: int = 0  # entries of the ring behind the tail
    unsent: tuple[tuple[int, int], ...] = ()
    # the courier
    to_courier: tuple[tuple[int, int], ...] = ()
    courier: str = "up"
    parcel: tuple[int, int] = (-1, -1)
    courier_acks: tuple[tuple[int, int], ...] = ()
    greeted: bool = True
    # what really happened
    finished: frozenset[int] = frozenset()
    crashes: int = 0
    takings_back: int = 0
    diversions: int = 0


@dataclass(frozen=True, slots=True)
class Model:
    """`carried`: offsets whose verdict goes to the courier."""

    messages: int = 3
    slots: int = 2
    crashes: int = 1
    takings_back: int = 1
    diversions: int = 0
    keep: int = 0
    carried: frozenset[int] = frozenset({1})
    laws: frozenset[str] = LAWS
    mortals: tuple[str, ...] = ("feeder", "handler", "courier")

    def start(self) -> State:
        return State((Slot(),) * self.slots, ((-1, -1),) * self.slots, (Handler(), Handler()))

    # -- all that can happen next ------------------------------------------------------------------------
    def steps(self, s: State) -> Iterator[tuple[str, State]]:
        yield from self._feeder(s)
        for n, handler in enumerate(s.handlers):
            yield from self._handler(s, n, handler)
        yield from self._courier(s)

    def crashes_of(self, s: State) -> Iterator[tuple[str, State]]:
        if s.crashes >= self.crashes:
            return
        s = replace(s, crashes=s.crashes + 1)
        if "feeder" in self.mortals and s.feeder != "down":
            for committed in {0, s.low}:
                dead = replace(s, feeder="down", low=committed, acking=-1, looking=-1)
                yield "feeder dies", replace(dead, diverting=(), looked_at=NOBODY, unshown=0, unsent=())
        for n, handler in enumerate(s.handlers):
            if "handler" in self.mortals and handler.at not in ("dead", "idle"):
                yield f"handler {n} dies", _handler_is(s, n, replace(handler, at="dead"))
        if "courier" in self.mortals and s.courier == "up":
            # The next one skips what stands in its ring and says that it is new.
            yield "courier dies", replace(s, parcel=(-1, -1), to_courier=(), greeted=False)

    # -- feeder ------------------------------------------------------------------------------------------
    def _feeder(self, s: State) -> Iterator[tuple[str, State]]:
        if s.feeder == "down":
            yield "feeder adopts", self._adopt(s)
        elif s.feeder == "publishing":
            yield "feeder shows the tail", replace(s, feeder="up", tail=s.tail + 1)
        elif s.feeder == "sending":
            yield "feeder shows the courier's tail", self._send(s)
        elif s.feeder == "acked":
            yield "feeder moves the ack head", self._ack_taken(s)
        elif s.feeder == "diverting":
            yield from self._divert(s)
        elif s.looking >= 0:
            yield "feeder stores without looking", replace(self._publish(s, s.looking), looking=-1)
        else:
            yield from self._feeder_begins(s)

    def _feeder_begins(self, s: State) -> Iterator[tuple[str, State]]:
        for n, slot in enumerate(s.slots):
            if slot.state == FREE and s.position < self.messages:
                placed = _slot_is(s, n, Slot(FREE, 0, -1, s.position, s.epoch))
                placed = replace(placed, position=s.position + 1, unsettled=s.unsettled | {s.position})
                yield f"feeder places {s.position} in slot {n}", self._publish(placed, n)
                break
        for n, handler in enumerate(s.handlers):
            if handler.acks:
                yield f"feeder takes an ack of {n}", self._accept(s, n, *handler.acks[0])
            elif handler.at == "dead":
                yield f"feeder resolves {n}", self._resolve(s, n, handler)
        if s.courier_acks:
            yield "feeder takes the courier's ack", self._accept(s, 2, *s.courier_acks[0])
        elif not s.greeted and COURIER_IS_GREETED in self.laws:
            yield "feeder greets the courier", self._greet(s)
        yield from self._takes_back(s)
        if s.head < s.tail and s.diversions < self.diversions:
            entries = tuple(s.ring[at % self.slots] for at in range(s.head, s.tail))
            begun = replace(s, feeder="diverting", diverting=entries, kept=0, diversions=s.diversions + 1)
            if HEAD_COMES_FIRST in self.laws:
                begun = replace(begun, head=s.tail)
            yield "feeder begins to divert", begun

    def _divert(self, s: State) -> Iterator[tuple[str, State]]:
        """One entry at a time: a look, then a plain store; at the end the two tails, one after the other."""
        if s.looked_at != NOBODY:
            yield (
                "feeder stores what it looked at",
                self._divert_one(replace(s, looked_at=NOBODY), *s.looked_at),
            )
        elif s.diverting:
            (n, seq), left = s.diverting[0], replace(s, diverting=s.diverting[1:])
            if (s.slots[n].state, s.slots[n].seq) == (READY, seq):
                left = replace(left, looked_at=(n, seq))
            yield f"feeder looks at slot {n}", left
        elif s.unshown:
            yield "feeder shows what stays", replace(s, tail=s.tail + s.unshown, unshown=0)
        else:
            shown = replace(s, to_courier=s.to_courier + s.unsent, unsent=(), feeder="up")
            yield "feeder shows what it diverted", shown

    def _divert_one(self, s: State, n: int, seq: int) -> State:
        if (s.slots[n].state, s.slots[n].seq) != (READY, seq):
            raise Broken(f"slot {n} changed under the feeder's eyes")
        again = s.seq + 1
        if s.kept < self.keep:
            ring = list(s.ring)
            ring[(s.tail + s.unshown) % self.slots] = (n, again)
            s = _slot_is(s, n, replace(s.slots[n], seq=again))
            return replace(s, seq=again, ring=tuple(ring), kept=s.kept + 1, unshown=s.unshown + 1)
        s = _slot_is(s, n, replace(s.slots[n], state=COURIER, seq=again))
        return replace(s, seq=again, unsent=(*s.unsent, (n, again)))

    def _publish(self, s: State, n: int) -> State:
        seq = s.seq + 1
        s = _slot_is(s, n, replace(s.slots[n], state=READY, seq=seq, seat=-1))
        ring = list(s.ring)
        ring[s.tail % self.slots] = (n, seq)
        return replace(s, ring=tuple(ring), seq=seq, feeder="publishing")

    def _accept(self, s: State, seat: int, n: int, seq: int) -> State:
        """An ack's work, all but its head."""
        slot, s = s.slots[n], replace(s, feeder="acked", acking=seat)
        if ACKS_CHECKED in self.laws and (
            slot.seq != seq or (slot.state != COURIER if seat == 2 else slot.state not in (DONE, TO_COURIER))
        ):
            return s
        if seat != 2 and slot.offset in self.carried and slot.epoch == s.epoch:
            s = _slot_is(s, n, replace(slot, state=COURIER, seq=s.seq + 1, seat=-1))
            return replace(s, seq=s.seq + 1, feeder="sending")
        return self._release(s, n)

    def _release(self, s: State, n: int) -> State:
        slot = s.slots[n]
        if slot.state == FREE:
            raise Broken(f"slot {n} is freed twice")
        if slot.epoch == s.epoch or EPOCH_CHECKED not in self.laws:
            if slot.offset not in s.unsettled and slot.epoch == s.epoch:
                raise Broken(f"offset {slot.offset} is settled twice")
            unsettled = s.unsettled - {slot.offset}
            s = replace(s, unsettled=unsettled, low=min(unsettled, default=s.position))
        return _slot_is(s, n, Slot())

    def _send(self, s: State) -> State:
        unsent = {
            (n, slot.seq) for n, slot in enumerate(s.slots) if slot.state == COURIER and slot.seq == s.seq
        }
        return replace(s, feeder="acked", to_courier=s.to_courier + tuple(unsent))

    def _ack_taken(self, s: State) -> State:
        if s.acking == 2:
            s = replace(s, courier_acks=s.courier_acks[1:])
        elif s.acking >= 0:
            handler = s.handlers[s.acking]
            s = _handler_is(s, s.acking, replace(handler, acks=handler.acks[1:]))
        return replace(s, feeder="up", acking=-1)

    def _resolve(self, s: State, seat: int, handler: Handler) -> State:
        """One slot of a dead handler at a time; the last time, its seat is given on."""
        head, n = handler.announced
        if n and s.tail - head > self.slots:
            return self._publish_strays(_handler_is(s, seat, replace(handler, announced=(0, 0))))
        for at in range(head, min(head + n, s.head)):
            number, seq = s.ring[at % self.slots]
            if s.slots[number].state == READY and s.slots[number].seq == seq:
                return self._publish(s, number)
        for number, slot in enumerate(s.slots):
            if ACKS_BEFORE_CLAIMS in self.laws and slot.seat == seat and slot.state != FREE:
                if slot.state in (DONE, TO_COURIER):
                    return replace(self._accept(s, seat, number, slot.seq), acking=-1)
                if slot.epoch != s.epoch:
                    return replace(self._release_late(s, number), feeder="up")
                if slot.state in (CLAIMED, EXECUTING):
                    return self._publish(s, number)
        return _handler_is(s, seat, Handler())

    def _publish_strays(self, s: State) -> State:
        """All of them in one step: the swaps on single slots are not told apart by handlers."""
        waiting = {s.ring[at % self.slots] for at in range(s.head, s.tail)}
        for number, slot in enumerate(s.slots):
            stray = slot.state == READY and (number, slot.seq) not in waiting
            if stray and STRAYS_ARE_SOUGHT in self.laws:
                s = replace(self._publish(replace(s, tail=s.tail + s.unshown), number), tail=s.tail)
                s = replace(s, unshown=s.unshown + 1)
        return replace(s, feeder="diverting")

    def _release_late(self, s: State, n: int) -> State:
        return _slot_is(s, n, Slot())

    def _greet(self, s: State) -> State:
        for n, slot in enumerate(s.slots):
            if slot.state == COURIER:
                s = _slot_is(replace(s, seq=s.seq + 1), n, replace(slot, seq=s.seq + 1))
                s = replace(s, to_courier=(*s.to_courier, (n, s.seq)))
        return replace(s, greeted=True)

    def _takes_back(self, s: State) -> Iterator[tuple[str, State]]:
        if s.takings_back >= self.takings_back:
            return
        for n, slot in enumerate(s.slots):
            busy = any(other.state == EXECUTING and other.seat == slot.seat for other in s.slots)
            if (
                slot.state == CLAIMED
                and busy
                and s.handlers[slot.seat].at != "dead"
                and slot.epoch == s.epoch
            ):
                s = replace(s, takings_back=s.takings_back + 1)
                if SWAP_TAKES_BACK in self.laws:
                    yield f"feeder takes slot {n} back", self._publish(s, n)
                else:
                    yield f"feeder looks at slot {n}", replace(s, looking=n)

    def _adopt(self, s: State) -> State:
        """The next feeder: one step, as handlers' swaps on single slots cannot tell the difference."""
        s = replace(s, feeder="up", head=s.tail, epoch=s.epoch + 1, position=s.low, unsettled=frozenset())
        for n, slot in enumerate(s.slots):
            if slot.state in (READY, CLAIMED):
                s = _slot_is(s, n, Slot())
            elif (
                slot.state == COURIER
                and UNSENT_IS_SENT_AGAIN in self.laws
                and (n, slot.seq)
                not in (
                    *s.to_courier,
                    s.parcel,
                    *s.courier_acks,
                )
            ):
                s = replace(s, to_courier=(*s.to_courier, (n, slot.seq)))
        return replace(s, seq=s.seq + 10)

    # -- handlers ----------------------------------------------------------------------------------------
    def _handler(self, s: State, n: int, h: Handler) -> Iterator[tuple[str, State]]:
        who = f"handler {n}"
        if h.at == "idle" and s.head < s.tail and s.feeder != "down":
            for many in sorted({1, s.tail - s.head}):
                announced = (s.head, many) if ANNOUNCE_FIRST in self.laws else (0, 0)
                ready = Handler("announced", s.head, announced, ((-1, -1),) * many, 0, NOBODY, h.acks)
                yield f"{who} announces {many}", _handler_is(s, n, ready)
        elif h.at == "announced":
            batch = tuple(s.ring[(h.head + i) % self.slots] for i in range(len(h.batch)))
            yield f"{who} reads {batch}", _handler_is(s, n, replace(h, at="read", batch=batch))
        elif h.at == "read":
            if s.head == h.head:
                moved = replace(h, at="moved" if ANNOUNCE_FIRST not in self.laws else "marking")
                yield f"{who} moves the head", _handler_is(replace(s, head=s.head + len(h.batch)), n, moved)
            else:
                yield f"{who} lost the head", _handler_is(s, n, Handler(acks=h.acks))
        elif h.at == "moved":
            late = replace(h, at="marking", announced=(h.head, len(h.batch)))
            yield f"{who} announces late", _handler_is(s, n, late)
        elif h.at == "marking":
            yield from self._mark(s, n, h)
        elif h.at == "executing":
            yield from self._execute(s, n, h)
        elif h.at == "verdict left":
            acked = replace(h, at="executing", acks=(*h.acks, h.batch[h.next]), next=h.next + 1)
            yield f"{who} acks", _handler_is(s, n, acked)

    def _mark(self, s: State, n: int, h: Handler) -> Iterator[tuple[str, State]]:
        if h.next == len(h.batch):
            yield f"handler {n} begins", _handler_is(s, n, replace(h, at="executing", next=0))
            return
        number, seq = h.batch[h.next]
        slot = s.slots[number]
        if slot.state == READY and slot.seq == seq:
            s = _slot_is(s, number, replace(slot, state=CLAIMED, seat=n))
        yield f"handler {n} marks slot {number}", _handler_is(s, n, replace(h, next=h.next + 1))

    def _execute(self, s: State, n: int, h: Handler) -> Iterator[tuple[str, State]]:
        if h.next == len(h.batch):
            yield f"handler {n} is through", _handler_is(s, n, Handler(acks=h.acks))
            return
        number, seq = h.batch[h.next]
        slot = s.slots[number]
        if h.running != NOBODY:
            # The verdict is a plain store: the slot is this handler's, or a law is broken.
            offset = h.running[0]
            code = TO_COURIER if offset in self.carried else DONE
            s = _slot_is(s, number, replace(slot, state=code, seq=seq, seat=n))
            if code == DONE:
                s = replace(s, finished=s.finished | {offset})
            left = replace(h, at="verdict left", running=NOBODY)
            yield f"handler {n} leaves a verdict", _handler_is(s, n, left)
        elif (slot.state, slot.seq, slot.seat) == (CLAIMED, seq, n):
            s = _slot_is(s, number, replace(slot, state=EXECUTING))
            inside = replace(h, running=(slot.offset, slot.epoch))
            yield f"handler {n} executes {slot.offset}", _handler_is(s, n, inside)
        else:
            yield f"handler {n} skips slot {number}", _handler_is(s, n, replace(h, next=h.next + 1))

    # -- courier -----------------------------------------------------------------------------------------
    def _courier(self, s: State) -> Iterator[tuple[str, State]]:
        if s.parcel != (-1, -1):
            yield "courier acks", replace(s, courier_acks=(*s.courier_acks, s.parcel), parcel=(-1, -1))
        elif s.to_courier:
            number, seq = s.to_courier[0]
            slot, s = s.slots[number], replace(s, to_courier=s.to_courier[1:])
            if (slot.state, slot.seq) == (COURIER, seq):
                s = replace(s, parcel=(number, seq), finished=s.finished | {slot.offset})
            yield "courier carries", s

    # -- promises ----------------------------------------------------------------------------------------
    def judge(self, s: State) -> None:
        lost = set(range(s.low)) - s.finished
        if lost:
            raise Broken(f"committed {s.low} past {sorted(lost)}")
        inside = [h.running for h in s.handlers if h.running != NOBODY and h.at != "dead"]
        if len(inside) != len(set(inside)):
            raise Broken("a message is executed by two at once")

    def judge_end(self, s: State) -> None:
        if s.low != self.messages or any(slot.state != FREE for slot in s.slots):
            raise Broken(f"nothing happens any more at low water {s.low}: {s.slots}")


_Tuple = TypeVar("_Tuple", Slot, Handler, State)


def replace(of: _Tuple, **changes: Any) -> _Tuple:
    return of._replace(**changes)


def _slot_is(s: State, n: int, slot: Slot) -> State:
    return replace(s, slots=(*s.slots[:n], slot, *s.slots[n + 1 :]))


def _handler_is(s: State, n: int, handler: Handler) -> State:
    return replace(s, handlers=(*s.handlers[:n], handler, *s.handlers[n + 1 :]))


def explore(model: Model) -> int:
    """Every reachable state, breadth first. Returns how many; raises Broken with the way there."""
    gc.disable()  # PERF: it would look through half a million states again and again, none of them a cycle
    try:
        return _explore(model)
    finally:
        gc.enable()


def _explore(model: Model) -> int:
    begin = model.start()
    came_from: dict[State, tuple[State, str] | None] = {begin: None}
    waiting = deque([begin])
    while waiting:
        state = waiting.popleft()
        try:
            model.judge(state)
            following = list(model.steps(state))
            if not following:
                model.judge_end(state)
        except Broken as broken:
            raise Broken(f"{broken}\n" + "\n".join(_way_to(state, came_from))) from None
        for name, step in (*following, *model.crashes_of(state)):
            after = _with_handlers_in_order(step)
            if after not in came_from:
                came_from[after] = (state, name)
                waiting.append(after)
    return len(came_from)


def _with_handlers_in_order(s: State) -> State:
    """Handlers are alike: a state and its mirror image are one."""
    first, second = s.handlers
    if first <= second:
        return s
    slots = tuple(slot if slot.seat < 0 else replace(slot, seat=1 - slot.seat) for slot in s.slots)
    acking = 1 - s.acking if s.acking in (0, 1) else s.acking
    return replace(s, slots=slots, handlers=(second, first), acking=acking)


def _way_to(state: State, came_from: dict[State, tuple[State, str] | None]) -> list[str]:
    way = []
    while (before := came_from[state]) is not None:
        state, name = before
        way.append(name)
    return way[::-1]
