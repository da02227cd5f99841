"""This node among the others of its name: says hello, hears theirs, passes requests on, keeps queue depths.

The loop enters with what heralds and couriers report and at every turn; live control with what others should
do or know. A word goes to the herald, which says it if it can: what cannot be said now is not said later, a
hello comes again. Nothing here waits.
"""

import logging
import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from ringmain import clock, control
from ringmain.config.pools import pools
from ringmain.lifecycle import Announce, Declared, Depths, Expect, Heard, Order, Scouted, Stop
from ringmain.supervise import words
from ringmain.supervise.commands import Answer, Later
from ringmain.supervise.memory import Memory
from ringmain.supervise.nag import Nag
from ringmain.supervise.nursery import Nursery
from ringmain.supervise.peers import Peers
from ringmain.supervise.posts import Child
from ringmain.supervise.words import Ask, Farewell, Hello, Sender, Tell, Word

HELLO_S = 10.0
ANSWER_S = 20.0
"""Longest wait for another node's answer; a seek waits there for what is being executed."""
PARTING_S = 1.0
MOST_QUEUES = 10_000
STALE_S = 30.0
"""Depths older than that are not known any more."""
_KINDS = ("ready", "delay", "dead")
_log = logging.getLogger(__name__)


class Shared(Protocol):
    """What all nodes of a name should agree on: the pauses."""

    def encoded(self) -> bytes:
        """All of it."""

    def merge(self, encoded: bytes) -> bool:
        """Take in another's; whether anything was news. An exception of msgspec or ValueError: it is none."""


Act = Callable[[words.Asked], Answer | None]
"""Does what another node's operator asks for; None = it does not concern this node."""


@dataclass
class Asking:
    """A request that waits: ours for another node's answer, or another's for ours."""

    later: Later
    due_s: float
    asker: Sender | None = None
    ticket: int = 0


class Neighbours:
    """What this node knows of the others and of the queues, and what it lets them know."""

    def __init__(self, memory: Memory, nursery: Nursery) -> None:
        self._memory, self._nursery = memory, nursery
        config = memory.config
        self._sender = Sender(config.name, config.node, uuid.uuid4().hex)
        self._nag = Nag()
        self.peers = Peers(config.node, self._sender.instance)
        self.shared: Shared | None = None
        """Whoever keeps the pauses puts itself here."""
        self.foreign = 0
        """Words that were none, or of another name: counted and ignored."""
        self._acts: dict[type, Act] = {}
        self._ours: dict[int, Asking] = {}
        self._theirs: list[Asking] = []
        self._tickets = 0
        self._queues: list[control.Queue] = []
        self._counted_s = -math.inf
        self._used: dict[str, None] = {}
        """Queues that exist, as our own courier has seen."""
        self._expected: set[str] = set()
        """Queues that others have seen: our herald has been told of them once."""
        self._said: object = None
        self._hello_due_s = 0.0
        self._parted = False

    # -- what others of this house ask ---------------------------------------------------------------------
    def heed(self, request: type, act: Act) -> None:
        """`act(request)` does what operators of other nodes ask for: Done, Refused, a Later, or None."""
        self._acts[request] = act

    def ask(self, request: words.Asked) -> Answer:
        """Have another node do it; its answer comes later."""
        now_s = clock.monotonic_s()
        if not self.peers.here(now_s):
            return control.Refused("no other node of this name is heard")
        self._tickets += 1
        if not self._say(Ask(self._sender, self._tickets, request)):
            return control.Refused("the other nodes cannot be told now: no herald is at work")
        later = Later()
        self._ours[self._tickets] = Asking(later, now_s + ANSWER_S)
        return later

    def queues(self, now_s: float) -> list[control.Queue]:
        """What the last count found, and 0 for the rest; nothing while that is not known."""
        if now_s - self._counted_s > STALE_S:
            return []
        counted = {(one.pool, one.queue): one for one in self._queues}
        every = {(pool.key, kind) for pool in pools(self._memory.config) for kind in _KINDS} | set(counted)
        return [counted.get(place) or control.Queue(*place, 0) for place in sorted(every)]

    def queues_away(self) -> str:
        """Why the herald cannot reach the queues; "" = it can, or does not know yet."""
        away = [child.detail for child in self._heralds() if child.state == "unreachable"]
        return away[0] if away else ""

    # -- what children report ------------------------------------------------------------------------------
    def take_heard(self, _: Child, report: Heard) -> None:
        """A word."""
        word = words.read(report.body, self._sender.name)
        if word is None:
            self.foreign += 1
            _log.debug("no word of ours", extra={"size": len(report.body), "so_far": self.foreign})
        elif not self.peers.is_us(word.sender):
            self._take(word, clock.monotonic_s())

    def take_depths(self, _: Child, report: Depths) -> None:
        """A count."""
        self._queues, self._counted_s = report.queues, clock.monotonic_s()

    def take_declared(self, _: Child, report: Declared) -> None:
        """Queues that exist: for our herald to count, and for those of the others."""
        self._used |= dict.fromkeys(report.queues)
        self._expect(report.queues)

    def take_scouted(self, _: Child, report: Scouted) -> None:
        """Who is in a group."""
        if not report.reason:
            self.peers.seen(report.route, report.members)

    # -- turns ---------------------------------------------------------------------------------------------
    def turn(self, now_s: float) -> float:
        """Say hello when it is due, or when there is something new to say; end what waits for too long."""
        self.peers.forget(now_s)
        self._finish(now_s)
        waiting = [one.due_s for one in (*self._ours.values(), *self._theirs)]
        if not self._heralds() or self._parted:
            return min(waiting, default=math.inf)
        said = (self._heard_by(), self._partitions(), self._pauses(), len(self._used))
        if said != self._said or now_s >= self._hello_due_s:
            self._said, self._hello_due_s = said, now_s + HELLO_S
            self._say_hello()
        return min([self._hello_due_s, *waiting])

    def part(self) -> None:
        """This node stops: others need not wait until it is silent for long, and nobody for the herald."""
        self._say(Farewell(self._sender))
        self._parted = True
        until_s = clock.monotonic_s() + PARTING_S
        for herald in self._nursery.children.of("herald"):
            herald.retiring, herald.deadline_s = True, until_s
            self._nursery.tell(herald, Stop(until_s))

    # -- words ---------------------------------------------------------------------------------------------
    def _take(self, word: Word, now_s: float) -> None:
        match word:
            case Hello():
                self._take_hello(word, now_s)
            case Farewell():
                if self.peers.part(word.sender):
                    _log.info("another node stops", extra={"peer": word.sender.node})
            case Ask():
                self._take_ask(word, now_s)
            case Tell():
                asking = self._ours.pop(word.ticket, None) if word.to == self._sender.instance else None
                if asking is not None:
                    asking.later.answer(word.reply)

    def _take_hello(self, hello: Hello, now_s: float) -> None:
        if self.peers.hear(hello, now_s):
            _log.info("another node is heard", extra={"peer": hello.sender.node})
            self._hello_due_s = min(self._hello_due_s, now_s)  # it has come after our last one
        if self.peers.twin(now_s) and self._nag.due("twin", "", now_s):
            why = f"another daemon of {self._sender.name} calls itself {self._sender.node} as well"
            _log.error("two nodes with one name", extra={"reason": f"{why}: give each a `node` of its own"})
        new = [queue for queue in hello.queues if queue not in self._expected]
        if len(self._expected) + len(new) <= MOST_QUEUES:
            self._expected.update(new)
            self._expect(new)
        if self.shared is not None and hello.pauses:
            try:
                self.shared.merge(hello.pauses)
            except (msgspec.MsgspecError, ValueError):
                self.foreign += 1

    def _take_ask(self, ask: Ask, now_s: float) -> None:
        act = self._acts.get(type(ask.request))
        answer = act(ask.request) if act is not None else None
        if isinstance(answer, Later):
            self._theirs.append(Asking(answer, now_s + ANSWER_S, ask.sender, ask.ticket))
        elif isinstance(answer, control.Done | control.Refused):
            self._say(Tell(self._sender, ask.sender.instance, ask.ticket, answer))

    def _finish(self, now_s: float) -> None:
        for ticket, asking in list(self._ours.items()):
            if now_s >= asking.due_s:
                del self._ours[ticket]
                asking.later.answer(control.Refused(f"no other node has answered in {ANSWER_S:g} s"))
        for asking in list(self._theirs):
            reply = asking.later.reply
            if isinstance(reply, control.Done | control.Refused) and asking.asker is not None:
                self._say(Tell(self._sender, asking.asker.instance, asking.ticket, reply))
            if reply is not None or now_s >= asking.due_s:
                self._theirs.remove(asking)

    def _say_hello(self) -> None:
        hello = Hello(
            self._sender,
            admin=self._memory.config.admin.advertise or "",
            partitions=self._partitions(),
            pauses=self._pauses(),
            queues=list(self._used),
        )
        if not self._say(hello):
            self._say(Hello(self._sender, admin=hello.admin))

    def _say(self, word: Word) -> bool:
        body = words.written(word)
        if body is None:
            if self._nag.due("too long", "", clock.monotonic_s()):
                _log.error("other nodes are not told all: it is too long", extra={"of": type(word).__name__})
            return False
        return self._order(Announce(body))

    def _expect(self, queues: list[str]) -> None:
        if queues:
            self._order(Expect(queues))

    def _order(self, order: Order) -> bool:
        heralds = self._heralds()
        for herald in heralds:
            self._nursery.tell(herald, order)
        return bool(heralds)

    # -- what there is to say ------------------------------------------------------------------------------
    def _heralds(self) -> list[Child]:
        return [child for child in self._nursery.children.of("herald") if child.booted]

    def _heard_by(self) -> list[tuple[int, str]]:
        """A herald that is new, or reaches the queues again, has said nothing yet."""
        return [(herald.pid, herald.state) for herald in self._heralds()]

    def _partitions(self) -> words.Shares:
        owned: words.Shares = {}
        for route in self._memory.config.routes:
            for feeder in self._nursery.children.of("feed", route, "kafka"):
                owned = words.added(owned, words.shares(route, feeder.partitions))
        return owned

    def _pauses(self) -> bytes:
        return b"" if self.shared is None else self.shared.encoded()
