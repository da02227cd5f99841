"""A member of a consumer group: partitions and their queues in, settled offsets out.

A Kafka feeder enters, with itself as the `Assignment`. All control goes through confluent_kafka.Consumer; the
messages do not pass here (the feeder fetches them from the queues it was given). Nothing but `commit_now`,
`close` and an assignment's own questions waits for a broker, each with a deadline.
"""

import contextlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from ringmain import clock
from ringmain._fastpath import Drain, PartitionQueue
from ringmain.control import Client
from ringmain.errors import FatalKafkaError
from ringmain.kafka import figures
from ringmain.kafka.assignment import (
    UNKNOWN,
    Assignment,
    Offsets,
    Partition,
    committed_of,
    offset_at,
    starts_of,
)
from ringmain.kafka.health import BROKER, GROUP, TOPIC, Health
from ringmain.kafka.outlook import Outlook
from ringmain.kafka.properties import (
    Member,
    Properties,
    consumer_properties,
    cooperative,
    group_protocol,
)
from ringmain.kafka.reading import Copied, Direct, Reading, plugin_properties
from ringmain.kafka.silent import Silent

CLOSE_S = 5.0
_COMMIT_AGAIN_S = 0.05
_EVENTS = 100
NOBODY = "^ringmain-retired-no-such-topic$"


class KafkaSource:
    """One consumer and the partitions it owns. Made after the fork."""

    def __init__(
        self,
        member: Member,
        topics: Sequence[str],
        properties: Properties,
        assignment: Assignment,
        direct: bool = True,
    ) -> None:
        self._member = member
        self._topics = list(topics)
        self._properties = consumer_properties(member, properties)
        self._assignment = assignment
        self._drain = Drain()
        self._queues: dict[Partition, PartitionQueue] = {}
        self._health = Health(self._properties.get("bootstrap.servers", "no bootstrap.servers"))
        self._consumer = self._make_consumer(direct)
        self._reading: Reading = (
            Direct(self._consumer, self._drain) if self._drain.available else Copied(self._consumer)
        )
        self._outlook: Outlook | None = None
        self._answers_seen = 0
        self._settled: set[Partition] = set()
        self._retiring = False
        self._closed = False
        self._said: Client | None = None

    # ---- state

    @property
    def slow_because(self) -> str:
        """Why messages go through Python objects; "" = they do not. To be said once."""
        return "" if self._drain.available else self._drain.reason

    @property
    def longest_wait_s(self) -> float:
        """Poll at least this often, whatever fileno() says."""
        return self._reading.longest_wait_s

    @property
    def problem(self) -> str | None:
        """What keeps Kafka from serving us, None = nothing known."""
        return self._health.problem

    @property
    def retired(self) -> bool:
        """After retire(): nothing is ours any more, close() gives nothing away."""
        return self._retiring and not self._queues

    def news(self) -> Client | None:
        """What the client has said of itself since the last look."""
        said, self._said = self._said, None
        return said

    def fileno(self) -> int:
        """Readable when there is something to poll or fetch."""
        return int(self._drain.fileno())

    def partitions(self) -> list[Partition]:
        """What is assigned now."""
        return sorted(self._queues)

    def end_offsets(self) -> dict[Partition, int]:
        """The next offset of each assigned partition, true while idle and while paused."""
        return self._outlook.ends() if self._outlook else {}

    # ---- life

    def start(self) -> None:
        """Join the group."""
        self._subscribe(self._topics)
        self._outlook = Outlook(self._consumer, self._reading, self._topics, self._properties)

    def poll(self) -> None:
        """Serve what the client has to say: assignments, answers, errors. Then fetch from the queues.

        ORDER: the bell is read first, so that whatever comes while we look rings again.
        """
        self._drain.hush()
        try:
            errors = self._reading.poll(self._queues)
        except KafkaException as failed:
            errors = [failed.args[0]]
        for error in errors:
            self._note(error)
        self._note_outlook()

    def retire(self) -> None:
        """Give all partitions away, for good; poll() on until `retired`, then close().

        Under the consumer protocol even a static member's partitions move at once if it subscribes to nothing
        that exists. On the classic protocol close() does it for a dynamic member; for a static one only the
        session timeout does, so there is nothing to wait for.
        """
        self._retiring = True
        if group_protocol(self._properties) == "consumer":
            self._subscribe([NOBODY])

    def close(self) -> bool:
        """Leave (the revocation comes from in here) and let go; nothing may be read afterwards.

        False = the client did not come back within CLOSE_S. It is left where it is, with all settled before:
        the process is to end without it.
        """
        if self._closed:
            return True
        self._closed = True
        if self._outlook:
            self._outlook.close()
        # ORDER: settled before the close, within which the coordinator would not be asked any more.
        self._settle(self.partitions(), lost=False)
        # ORDER: an assignment that is here is served before the close, in which it may hang the client: what
        # it answers ends the group, and the revocation behind it asks the group (librdkafka 2.16 drops a
        # question that comes in its last moment unanswered, and waits for ever).
        for _ in range(_EVENTS):
            if self._consumer.poll(0) is None:
                break
        self._leave_as_spare()
        self._drain.release()
        return self._leave(CLOSE_S)

    def _leave_as_spare(self) -> None:
        """Say that one who owns nothing goes.

        At the close of a dynamic member librdkafka gives up what is owned and then leaves; on the classic
        cooperative protocol it has nothing to do where nothing is owned, and forgets to leave ("skipping
        rejoin"): the group would wait for it for the session timeout. To unsubscribe goes another way, which
        leaves; the close waits for the answer. A static member must not: to unsubscribe would end it.
        """
        classic = group_protocol(self._properties) == "classic" and cooperative(self._properties)
        if classic and self._member.membership == "dynamic":
            with contextlib.suppress(KafkaException):
                if not self._consumer.assignment():
                    self._consumer.unsubscribe()

    def _leave(self, timeout_s: float) -> bool:
        closed: Future[None] = Future()
        threading.Thread(target=_run_into, args=(closed, self._consumer.close), daemon=True).start()
        try:
            closed.result(timeout_s)
        except TimeoutError:
            return False
        except KafkaException as failed:
            self._note(failed.args[0])
        finally:
            # ORDER: never before: a client that is still at it may read them.
            if closed.done():
                self._let_go(list(self._queues))
        return True

    # ---- offsets

    def commit(self, offsets: Offsets) -> None:
        """Commit without waiting; the answer comes to `Assignment.committed` from a later poll()."""
        if not offsets:
            return
        try:
            self._consumer.commit(offsets=_positions(offsets), asynchronous=True)
        except KafkaException as failed:
            self._assignment.committed(dict(offsets), failed.args[0].str())

    def commit_now(self, offsets: Offsets, timeout_s: float) -> bool:
        """Commit and see it stand; False = not seen within the time (it may stand all the same).

        librdkafka's synchronous commit has no deadline. So: commit, then ask, with one, in this order over
        one connection. What does not stand was refused, as a rebalance overtook it: it is taken later.
        """
        if not offsets:
            return True
        self.commit(offsets)
        deadline_s = clock.monotonic_s() + timeout_s
        while (left_s := deadline_s - clock.monotonic_s()) > 0:
            standing = self.standing(list(offsets), left_s)
            if standing == offsets:
                return True
            if standing is not None:
                clock.sleep_s(min(left_s, _COMMIT_AGAIN_S))
                self.commit(offsets)
        return False

    def standing(self, pairs: list[Partition], timeout_s: float) -> dict[Partition, int] | None:
        """What the group has committed, with no transaction open; None = not told in time."""
        return committed_of(self._consumer, pairs, timeout_s)

    def member(self) -> bytes:
        """In whose name a transaction sends offsets: this member, as the group knows it now."""
        return bytes(self._consumer.consumer_group_metadata()) if self._queues else b""

    # ---- one partition

    def pause(self, topic: str, partition: int) -> None:
        """Stop fetching for long (it throws the prefetch away); for a moment, just do not drain."""
        self._reading.pause((topic, partition))

    def resume(self, topic: str, partition: int) -> None:
        """Fetch again, from where the feeder had read to."""
        self._reading.resume((topic, partition))

    def seek(self, topic: str, partition: int, offset: int) -> str:
        """Read on from here; what was fetched is dropped. Committed offsets are the feeder's to move.

        Says why not; "" = done, and nothing of the old position comes any more (librdkafka counts versions).
        """
        try:
            self._consumer.seek(TopicPartition(topic, partition, offset))
        except KafkaException as failed:
            return str(failed.args[0].str())
        self._queues[topic, partition].discard()
        return ""

    def offset_for(self, topic: str, partition: int, when: str | int, timeout_s: float) -> int:
        """The offset at "earliest", "latest" or of the first message since a time in ms, or UNKNOWN."""
        return offset_at(self._consumer, (topic, partition), when, timeout_s)

    def note_event(self, code: int, text: str) -> None:
        """What a fetch brought that is neither a message nor a partition's end."""
        self._note(KafkaError(code, text))

    # ---- callbacks

    def _make_consumer(self, direct: bool) -> Consumer:
        plugin = plugin_properties(self._drain) if direct else {}
        callbacks = {
            "error_cb": self._note,
            "on_commit": self._on_commit,
            "stats_cb": self._on_figures,
            "logger": Silent(),
        }
        consumer = Consumer({**self._properties, **plugin, **callbacks})
        if plugin:
            self._drain.capture(consumer)
        return consumer

    def _subscribe(self, topics: list[str]) -> None:
        self._consumer.subscribe(
            topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def _on_assign(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        if self._closed:  # within close() the broker answers nothing any more: it goes back at once
            return
        starts = starts_of(consumer, given, self._properties["auto.offset.reset"])
        # ORDER: queues are split off before the assignment: what is fetched earlier goes elsewhere for good.
        for one in given:
            pair = one.topic, one.partition
            self._queues[pair] = self._drain.queue(*pair)
            if (offset := starts.offset(pair)) != UNKNOWN:
                one.offset = offset
        self._assign(consumer, given)
        self._health.well(GROUP)
        for one in given:
            pair = one.topic, one.partition
            self._assignment.assigned(*pair, self._queues[pair], starts.offset(pair))
        # LOSS: without it, a restart before the first commit would start at another "latest".
        self.commit({pair: offset for pair, offset in starts.first.items() if pair in self._queues})
        self._watch()
        self._assignment.regrouped()

    def _assign(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        """LOSS: a partition that the group gave us and the client did not take would be read by nobody."""
        try:
            if cooperative(self._properties):
                consumer.incremental_assign(given)
            else:
                consumer.assign(given)
        except KafkaException as failed:
            said = failed.args[0].str()
            raise FatalKafkaError(
                f"{self._member.id}: the client refuses its assignment: {said}; a new process may take it"
            ) from None

    def _on_revoke(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        self._give_up(consumer, taken, lost=False)

    def _on_lost(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        self._give_up(consumer, taken, lost=True)

    def _give_up(self, consumer: Consumer, taken: list[TopicPartition], lost: bool) -> None:
        pairs = [(one.topic, one.partition) for one in taken if (one.topic, one.partition) in self._queues]
        try:
            self._settle(pairs, lost)
        finally:
            if cooperative(self._properties):
                consumer.incremental_unassign(taken)
            else:
                consumer.unassign()
            self._let_go(pairs)
            self._watch()

    def _settle(self, pairs: list[Partition], lost: bool) -> None:
        unsettled = [pair for pair in pairs if pair not in self._settled]
        if unsettled:
            self._settled.update(unsettled)
            self._assignment.revoked(unsettled, lost)

    def _on_commit(self, error: KafkaError | None, answers: list[TopicPartition]) -> None:
        refused: dict[str, dict[Partition, int]] = {}
        for one in answers:
            reason = one.error or error
            said = "" if reason is None else reason.str()
            refused.setdefault(said, {})[one.topic, one.partition] = one.offset
        for said, offsets in refused.items():
            self._assignment.committed(offsets, said)

    def _on_figures(self, report: str) -> None:
        with contextlib.suppress(msgspec.DecodeError):  # another version's: no figures
            self._said = figures.read(report)

    # ---- helpers

    def _note(self, error: KafkaError) -> None:
        if error.fatal() or error.code() == KafkaError._FATAL:
            raise FatalKafkaError(
                f"{self._member.id}: Kafka's client cannot go on: {error.str()}; a new process may"
            )
        self._health.error(error.code(), error.str())

    def _note_outlook(self) -> None:
        outlook = self._outlook
        if outlook is None:
            return
        outlook.doubt_topics(TOPIC in self._health.troubled)
        if outlook.answers != self._answers_seen:
            self._answers_seen = outlook.answers
            self._health.well(BROKER)
            if outlook.missing_topics == frozenset():
                self._health.well(TOPIC)
        elif (refused := outlook.refused) is not None:
            self._health.error(*refused)

    def _let_go(self, pairs: list[Partition]) -> None:
        self._reading.forget(pairs)
        self._settled.difference_update(pairs)
        for pair in pairs:
            self._queues.pop(pair).close()

    def _watch(self) -> None:
        if self._outlook and not self._closed:
            self._outlook.watch(self._queues)


def _run_into(future: Future[None], call: Callable[[], None]) -> None:
    try:
        call()
        future.set_result(None)
    except BaseException as error:
        future.set_exception(error)


def _positions(offsets: Offsets) -> list[TopicPartition]:
    return [TopicPartition(*pair, offset) for pair, offset in offsets.items()]
