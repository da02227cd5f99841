"""Carries out what operators have paused: gates, orders to Kafka feeders, the queue feeders' posts.

The loop enters at its start and at every turn, an operator with pause and resume, the herald with what
other nodes know. At each turn what is and what should be are compared, so a new feeder, a new ring and an
order that could not be delivered need no thought of their own. Partitions stay assigned: no rebalance.
"""

import logging
import math
from collections.abc import Callable, Collection, Iterable, Sequence

import msgspec
from msgspec.structs import replace

from ringmain import clock, control
from ringmain.config.pools import place_of
from ringmain.lifecycle import Paused
from ringmain.rings import GATE_OPERATOR
from ringmain.supervise import kept, lineup
from ringmain.supervise.commands import Answer
from ringmain.supervise.ending import Ending
from ringmain.supervise.memory import Memory
from ringmain.supervise.nursery import Nursery
from ringmain.supervise.pauses import Pauses, Word
from ringmain.supervise.posts import Child, Post, Roster

GIVEN_UP_MS = 60_000
"""A route paused for so long gives back what it holds of the queues: RabbitMQ would take it back anyway."""
REMEMBERED_MS = 30 * 24 * 3600 * 1000
ALL = -1
_log = logging.getLogger(__name__)


class Pausing:
    """The pauses of this node and of all others."""

    def __init__(self, memory: Memory, nursery: Nursery, roster: Roster, ending: Ending) -> None:
        self._memory, self._nursery, self._roster, self._ending = memory, nursery, roster, ending
        self._node = memory.config.node
        self._path = kept.path_of(memory.config, "pauses")
        self._pauses = Pauses()
        self._told: dict[int, Paused] = {}
        self.peers: Callable[[float], Iterable[control.Peer]] = lambda _now_s: ()
        """The other nodes, as they are known now."""
        if data := kept.read(self._path):
            self._read(data)

    def _read(self, data: bytes) -> None:
        try:
            self._pauses.merge(data)
            self._pauses.forget(clock.wall_ms() - REMEMBERED_MS)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            said = {"file": str(self._path), "reason": str(error)}
            _log.error("kept pauses are unreadable: ignored", extra=said)

    # -- words ---------------------------------------------------------------------------------------------
    def told_pause(self, request: control.Pause) -> Answer:
        """An operator pauses."""
        topic, reason = self._topic_of(request)
        if reason:
            return control.Refused(reason, unknown=self._is_unknown(request.route))
        word = replace(_word(request, topic), paused=True, reason=request.reason)
        return control.Done(f"{_subject(word)} is paused{self._say(word)}", self._nobodys(word))

    def told_resume(self, request: control.Resume) -> Answer:
        """An operator resumes what was paused by the same words."""
        topic, reason = self._topic_of(request)
        if reason:
            return control.Refused(reason, unknown=self._is_unknown(request.route))
        word = _word(request, topic)
        before = self._pauses.says(word.key)
        was = "" if before is not None and before.paused else " (it was not paused)"
        said = self._say(word)
        return control.Done(f"{_subject(word)} goes on{was}{said}", self._still(request.route))

    def _say(self, word: Word) -> str:
        word = msgspec.structs.replace(word, at_ms=self._pauses.after(word.key, clock.wall_ms()))
        self._pauses.note(word)
        event = "paused" if word.paused else "resumed"
        by = {"operator": word.operator, "reason": word.reason, "on_node": word.node or "all"}
        _log.info(event, extra={"subject": _subject(word), **by})
        self.apply()
        return self._keep()

    def _topic_of(self, request: control.Pause | control.Resume) -> tuple[str, str]:
        """The topic that is meant, and why the request makes no sense."""
        route, channel = place_of(request.route)
        if self._is_unknown(request.route):
            return "", f"there is no route {request.route!r} here"
        of_partitions = bool(request.topic) or request.partition is not None
        if of_partitions and request.source == "queue":
            return "", "a queue has no partitions: leave out the partition, or the source"
        if channel and (of_partitions or request.source == "kafka"):
            return "", f"{request.route} is a channel: it takes nothing from Kafka"
        if request.partition is not None and request.partition < 0:
            return "", "partitions are counted from 0"
        topics = self._memory.config.routes[route].topics
        of_pattern = any(topic.startswith("^") for topic in topics)
        # A resume may be about a topic that the route had when it was paused.
        known = of_pattern or request.topic in ("", *topics) or isinstance(request, control.Resume)
        if not known:
            return "", f"{request.route} has no topic {request.topic!r}, but {', '.join(topics)}"
        if request.topic or request.partition is None:
            return request.topic, ""
        if len(topics) != 1 or of_pattern:
            return "", f"{request.route} takes several topics: say which one the partition is of"
        return topics[0], ""

    def _nobodys(self, word: Word) -> list[str]:
        """What is named and known to nobody: a slip, or what is still to come."""
        peers = list(self.peers(clock.monotonic_s()))
        owned = {named for peer in peers for named in peer.partitions.get(word.route, ())}
        for child in self._nursery.children.of("feed", word.route, "kafka"):
            owned |= {f"{topic}/{partition}" for topic, partition in child.partitions}
        return unknown_in(word, owned, [self._node, *(peer.node for peer in peers)])

    def _is_unknown(self, pool: str) -> bool:
        return pool not in self._memory.overseers

    def _still(self, pool: str) -> list[str]:
        words = self._pauses.paused_anywhere(pool)
        return [f"still paused: {_subject(word)}" for word in words]

    def paused(self, pool: str) -> list[control.PausedBy]:
        """What of a pool operators have paused here."""
        return [
            control.PausedBy(
                cause="operator",
                reason=word.reason,
                topic=word.topic,
                partition=word.partition,
                source=word.source,
                operator=word.operator,
                since_ms=word.at_ms,
                node=word.node,
            )
            for word in self._pauses.paused(pool, self._node)
        ]

    # -- other nodes ---------------------------------------------------------------------------------------
    def encoded(self) -> bytes:
        """All that is known here, for other nodes."""
        return self._pauses.encoded()

    def merge(self, encoded: bytes) -> bool:
        """Take in what another node knows; whether it was news. Raises what msgspec does if it is no map."""
        if not self._pauses.merge(encoded):
            return False
        _log.info("another node knew of a pause or its end")
        self.apply()
        self._keep()
        return True

    # -- deeds ---------------------------------------------------------------------------------------------
    def step(self, _now_s: float) -> float:
        """Whatever is new here is brought in line; the loop comes round often enough for the rest."""
        self.apply()
        return math.inf

    def apply(self) -> None:
        """Make it so."""
        if self._ending.is_stopping:
            return
        for pool in self._memory.overseers:
            words = self._pauses.paused(pool, self._node)
            self._set_gate(pool, any(word.whole for word in words))
            if pool not in self._memory.leaving:
                self._set_queue(pool, gives_up_queue(words, clock.wall_ms()))
            order = order_of(words)
            for child in self._nursery.children.of("feed", pool, "kafka"):
                self._tell(child, order)
        alive = {child.pid for child in self._nursery.children}
        self._told = {pid: order for pid, order in self._told.items() if pid in alive}

    def _set_gate(self, pool: str, closed: bool) -> None:
        overseer = self._memory.overseers[pool]
        if closed == bool(overseer.gate & GATE_OPERATOR):
            return
        if closed:
            overseer.close_gate(GATE_OPERATOR)
        else:
            overseer.open_gate(GATE_OPERATOR)

    def _tell(self, child: Child, order: Paused) -> None:
        """ORDER: a newborn is told before it can have any partition."""
        if self._told.get(child.pid, Paused()) != order and child.leash.send(order):
            self._told[child.pid] = order

    def _set_queue(self, pool: str, given_up: bool) -> None:
        config = self._memory.config
        if not lineup.takes_queues(config):
            return
        post = Post("feed", pool, "queue", self._memory.queue_seats()[pool])
        place = self._roster.place(post)
        if given_up and place is not None:
            self._roster.drop(post)
            if place.child is not None:
                self._ending.retire(place.child)
            elif self._nursery.children.in_seat("feed", pool, post.number) is None:
                # It had just died, and nobody follows: dead handlers' seats would wait for it for ever.
                self._memory.overseers[pool].free_feeder(post.number)
        elif not given_up and place is None and self._ending.goes_on:
            self._roster.want(post)

    def _keep(self) -> str:
        """What there is to say about it; "" = it is kept."""
        try:
            kept.write(self._path, self._pauses.encoded())
        except OSError as error:
            _log.error(
                "cannot be kept over a restart", extra={"file": str(self._path), "reason": error.strerror}
            )
            return f"; not over a restart: {self._path}: {error.strerror}"
        return ""


def unknown_in(word: Word, owned: Collection[str], nodes: Sequence[str]) -> list[str]:
    """What `word` names and nobody knows. `owned`: each partition that somebody has, as `topic/partition`."""
    lines = []
    if word.partition is not None and f"{word.topic}/{word.partition}" not in owned:
        lines.append(
            f"nobody is known to own partition {word.partition} of {word.topic}: it holds for who will"
        )
    if word.node and word.node not in nodes:
        lines.append(f"no node {word.node} is known now, but {', '.join(nodes)}: it holds once there is one")
    return lines


def gives_up_queue(words: list[Word], now_ms: int) -> bool:
    """What is in hand of the queues goes back: at once when they are meant, later when all is paused."""
    return any(word.source == "queue" or (word.whole and now_ms - word.at_ms > GIVEN_UP_MS) for word in words)


def order_of(words: list[Word]) -> Paused:
    """What Kafka feeders of the pool take nothing of; of a route paused as a whole they take nothing either:
    what goes straight to the queues needs no handler."""
    of_kafka = [word for word in words if word.source != "queue"]
    everything = any(not word.topic and word.partition is None for word in of_kafka)
    named = {
        (word.topic, ALL if word.partition is None else word.partition) for word in of_kafka if word.topic
    }
    return Paused(everything, [] if everything else sorted(named))


def _word(request: control.Pause | control.Resume, topic: str) -> Word:
    """What the request is about, as a resume that bears no date yet."""
    return Word(
        route=request.route,
        paused=False,
        at_ms=0,
        topic=topic,
        partition=request.partition,
        source=request.source,
        node=request.node,
        operator=request.operator,
    )


def _subject(word: Word) -> str:
    """As people read it: `orders`, `orders: partition 3 of t`, `orders: kafka`, `... on node a`."""
    part = f"topic {word.topic}" if word.topic else ""
    if word.partition is not None:
        part = f"partition {word.partition} of {word.topic}"
    narrowed = ": " + (part or word.source) if part or word.source else ""
    return f"{word.route}{narrowed}" + (f" on node {word.node}" if word.node else "")
