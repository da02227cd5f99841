"""Looks at topics and groups from outside, without joining: for the scout and for `check --connect`.

Short-lived processes enter and ask a few times. Nothing is committed or read here, and every question
has a deadline; what Kafka refuses is a LookupRefused that says so.
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    ConsumerGroupType,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]

from ringmain import clock
from ringmain.errors import LookupRefused
from ringmain.kafka.assignment import Partition, ends_of
from ringmain.kafka.health import Health
from ringmain.kafka.properties import Properties
from ringmain.kafka.silent import Silent

ANSWER_S = 5.0
MESSAGE_LIMIT_BYTES = 1_048_588
"""Kafka's default of a topic's `max.message.bytes`."""
_AGAIN_S = 0.1
_ELECTING = (
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
)
CONSUMER_ONLY = (
    "auto.offset.reset",
    "enable.",
    "fetch.",
    "group.",
    "isolation.level",
    "max.poll.interval.ms",
    "partition.assignment.strategy",
    "queued.",
    "session.timeout.ms",
    "heartbeat.interval.ms",
)


class Start(msgspec.Struct, frozen=True):
    """Where a partition would start: committed (None = nothing) against what is there now."""

    topic: str
    partition: int
    committed: int | None
    begin: int | None
    end: int | None

    @property
    def expired(self) -> bool:
        """Was what is committed deleted meanwhile (retention, or the topic made anew)?"""
        if self.committed is None or self.begin is None or self.end is None:
            return False
        return not self.begin <= self.committed <= self.end


class GroupFacts(msgspec.Struct, frozen=True):
    """Who is in a group: client ids, its protocol ("classic", "consumer", "" = no group), assignor."""

    client_ids: tuple[str, ...] = ()
    protocol: str = ""
    assignor: str = ""
    members: tuple[tuple[str, tuple[Partition, ...]], ...] = ()
    """Client id and what it owns, each member."""
    settled: bool = False
    """No rebalance goes on."""


class Lookup:
    """Asks one cluster on behalf of one group."""

    def __init__(self, properties: Properties) -> None:
        self._group = properties.get("group.id", "")
        self._health = Health(properties.get("bootstrap.servers", "no bootstrap.servers"))
        quiet = {**properties, "log_level": "0"}
        asking: dict[str, Any] = {"error_cb": self._note}
        asking |= {name: value for name, value in quiet.items() if not name.startswith(CONSUMER_ONLY)}
        self._admin = AdminClient(asking, logger=Silent())
        self._consumer: Consumer | None = None
        self._properties = quiet

    def partition_counts(self, topics: Sequence[str]) -> dict[str, int]:
        """Of each topic that exists and is named, or meant by a `^pattern`."""
        counts: dict[str, int] = {}
        if any(topic.startswith("^") for topic in topics):
            counts = self._matching([topic for topic in topics if topic.startswith("^")])
        for topic in topics:
            if not topic.startswith("^"):
                counts |= self._counted(self._explained(partial(self._list, topic)), {topic})
        return counts

    def message_limit_bytes(self, topics: Iterable[str]) -> int:
        """The largest message (compressed, as its batch) that one of the topics takes: `max.message.bytes`.

        Kafka's own default where there is no topic, or where describing topics is not allowed.
        """
        resources = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in topics]
        if not resources:
            return MESSAGE_LIMIT_BYTES
        answers = self._admin.describe_configs(resources, request_timeout=ANSWER_S)
        limits = [MESSAGE_LIMIT_BYTES]
        for answer in answers.values():
            with contextlib.suppress(LookupRefused):
                found = _asked(partial(answer.result, ANSWER_S + 1))
                if (limit := found.get("max.message.bytes")) is not None:  # not every broker names it
                    limits.append(int(limit.value))
        return max(limits)

    def group(self) -> GroupFacts:
        """The group as its coordinator describes it now."""
        try:
            facts = _settled(self._described)
        except LookupRefused as refused:
            if refused.code == KafkaError.GROUP_ID_NOT_FOUND:
                return GroupFacts()
            raise
        protocol = "consumer" if facts.type == ConsumerGroupType.CONSUMER else "classic"
        ids = tuple(sorted(member.client_id for member in facts.members))
        members = tuple((member.client_id, _owned(member)) for member in facts.members)
        settled = facts.state == ConsumerGroupState.STABLE
        return GroupFacts(ids, protocol if ids else "", facts.partition_assignor or "", members, settled)

    def end_offsets(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The next offset of each partition that answered."""
        return ends_of(self._reader(), list(partitions), "latest", ANSWER_S)

    def starts(self, partitions: Iterable[Partition]) -> list[Start]:
        """Committed, begin and end of each partition."""
        pairs = sorted(partitions)
        committed = self._committed(pairs)
        begins = ends_of(self._reader(), pairs, "earliest", ANSWER_S)
        ends = ends_of(self._reader(), pairs, "latest", ANSWER_S)
        return [Start(*pair, committed.get(pair), begins.get(pair), ends.get(pair)) for pair in pairs]

    def close(self) -> None:
        """Let go of the clients."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _committed(self, pairs: list[Partition]) -> dict[Partition, int]:
        if not pairs:
            return {}
        # Never AdminClient.list_consumer_group_offsets: while a coordinator is elected librdkafka 2.16 looks
        # for a group there that such a client does not have, and the process dies of SIGSEGV.
        asked = [TopicPartition(*pair) for pair in pairs]
        answers = _settled(lambda: self._reader().committed(asked, timeout=ANSWER_S))
        return {(one.topic, one.partition): one.offset for one in answers if one.offset >= 0}

    def _described(self) -> Any:
        answers = self._admin.describe_consumer_groups([self._group], request_timeout=ANSWER_S)
        return answers[self._group].result(ANSWER_S + 1)

    def _matching(self, patterns: list[str]) -> dict[str, int]:
        """All topics are listed, once: a pattern has no other way."""
        everything = self._explained(lambda: self._list(None))
        left_out = self._properties.get("topic.blacklist", "").split(",")
        names = {name for name in everything.topics if _matches(patterns, name)}
        return self._counted(everything, {name for name in names if not _found(left_out, name)})

    def _counted(self, metadata: Any, wanted: set[str]) -> dict[str, int]:
        return {
            name: len(topic.partitions)
            for name, topic in metadata.topics.items()
            if name in wanted and topic.error is None and topic.partitions
        }

    def _list(self, topic: str | None) -> Any:
        if topic is None:
            return self._admin.list_topics(timeout=ANSWER_S)
        return self._admin.list_topics(topic, timeout=ANSWER_S)

    def _explained(self, question: Callable[[], Any]) -> Any:
        """The answer, or why there is none: a wrong password is only a time-out to whoever asks."""
        try:
            return _asked(question)
        except LookupRefused as refused:
            self._admin.poll(0)
            if self._health.problem is None:
                raise
            raise LookupRefused(self._health.problem, refused.code) from None

    def _note(self, error: KafkaError) -> None:
        self._health.error(error.code(), error.str())

    def _reader(self) -> Consumer:
        """A consumer that subscribes to nothing: it sees the ends that a member would see."""
        if self._consumer is None:
            dynamic = {name: value for name, value in self._properties.items() if name != "group.instance.id"}
            self._consumer = Consumer({"group.id": self._group, **dynamic}, logger=Silent())
        return self._consumer


def live_nodes(client_ids: Iterable[str], name: str, route: str) -> set[str]:
    """The nodes of our own members."""
    return {node for one in client_ids if (node := _node(one, name, route))}


def shares(facts: GroupFacts, name: str, route: str) -> dict[str, dict[str, list[int]]]:
    """What each of our nodes in the group owns: node -> topic -> partitions."""
    found: dict[str, dict[str, list[int]]] = {}
    for client_id, partitions in facts.members:
        if node := _node(client_id, name, route):
            topics = found.setdefault(node, {})
            for topic, partition in partitions:
                topics[topic] = sorted([*topics.get(topic, ()), partition])
    return found


def unowned(facts: GroupFacts, counts: Mapping[str, int]) -> list[Partition]:
    """The partitions of these topics that a settled group has left to nobody.

    A classic group does, for good: who gives a partition away and dies before it joins again is followed, as
    a static member, without a rebalance (KIP-345). On the consumer protocol the broker sees to it.
    """
    if not facts.settled or facts.protocol != "classic":
        return []
    owned = {partition for _, partitions in facts.members for partition in partitions}
    every = ((topic, partition) for topic, count in counts.items() for partition in range(count))
    return sorted(partition for partition in every if partition not in owned)


def _node(client_id: str, name: str, route: str) -> str:
    """Of `{name}.{route}.{node}.{seat}`, where a node may have dots; "" of any other."""
    start = f"{name}.{route}."
    node, _, seat = client_id.removeprefix(start).rpartition(".")
    return node if client_id.startswith(start) and seat.isdecimal() else ""


def _owned(member: Any) -> tuple[Partition, ...]:
    assignment = member.assignment
    return tuple((one.topic, one.partition) for one in assignment.topic_partitions) if assignment else ()


def foreigners(client_ids: Iterable[str], name: str, route: str) -> list[str]:
    """Members of the group that are not ours: another program, or another route under the same group.id."""
    start = f"{name}.{route}."
    return sorted(one for one in client_ids if not one.startswith(start))


def _matches(patterns: list[str], name: str) -> bool:
    return any(re.match(pattern, name) for pattern in patterns)


def _found(patterns: list[str], name: str) -> bool:
    """As librdkafka leaves topics out of what a pattern means."""
    return any(pattern and re.search(pattern, name) for pattern in patterns)


def _asked(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except KafkaException as refused:
        error = refused.args[0]
        raise LookupRefused(f"Kafka gives no answer: {error.str()} ({error.name()})", error.code()) from None
    except TimeoutError:
        raise LookupRefused(f"Kafka gives no answer in {ANSWER_S:g} s", KafkaError._TIMED_OUT) from None


def _settled(question: Callable[[], Any]) -> Any:
    """The answer, once the coordinator is one: for a moment after an election it says that it is not."""
    deadline_s = clock.monotonic_s() + ANSWER_S
    while True:
        try:
            return _asked(question)
        except LookupRefused as refused:
            if refused.code not in _ELECTING or clock.monotonic_s() > deadline_s:
                raise
        clock.sleep_s(_AGAIN_S)
