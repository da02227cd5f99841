"""Asks the broker beside the loop: the partitions' ends, and whether it answers at all.

KafkaSource enters. The one thread of this room lives here, asleep between questions. It never polls, commits
or touches a queue; its answers are read by the loop, which therefore never waits for a broker.
"""

import threading
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaError, KafkaException

from ringmain.kafka.assignment import Partition
from ringmain.kafka.properties import Properties
from ringmain.kafka.reading import Reading

EVERY_S = 3.0
LONELY_EVERY_S = 10.0
ANSWER_S = 2.0
ANYBODY = "ringmain-is-anybody-there"
FETCH_WAIT = "fetch.wait.max.ms"
_FORGOTTEN = (KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC)


class Outlook:
    """End offsets that are true while the partitions are paused, not drained, or idle."""

    def __init__(
        self, consumer: Consumer, reading: Reading, topics: Iterable[str], properties: Properties
    ) -> None:
        self._consumer = consumer
        self._reading = reading
        # A question waits on its connection for the fetch before it, which the broker may hold that long.
        self._answer_s = ANSWER_S + float(properties.get(FETCH_WAIT, "500")) / 1000
        self._topics = [topic for topic in topics if not topic.startswith("^")]
        self._partitions: frozenset[Partition] = frozenset()
        self._ends: dict[Partition, int] = {}
        self._answers = 0
        self._doubted = False
        self.missing_topics: frozenset[str] | None = None  # None = not asked for
        self.refused: tuple[int, str] | None = None
        self._wanted = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="kafka-outlook", daemon=True)
        self._thread.start()

    @property
    def answers(self) -> int:
        """How often the broker has answered: one that grows is one that is there."""
        return self._answers

    def watch(self, partitions: Iterable[Partition]) -> None:
        """The partitions to ask for from here on; asks at once."""
        self._partitions = frozenset(partitions)
        self._wanted.set()

    def doubt_topics(self, doubted: bool) -> None:
        """Ask whether the topics exist, too, for as long as somebody says that one does not."""
        if doubted != self._doubted:
            self._doubted = doubted
            self.missing_topics = None
            self._wanted.set()

    def ends(self) -> dict[Partition, int]:
        """The last known next offset of each watched partition; one that never answered is left out."""
        known = self._ends
        return {pair: known[pair] for pair in self._partitions if pair in known}

    def close(self) -> None:
        """ORDER: before the consumer is closed. Waits for a question under way, a few seconds at most."""
        self._over = True
        self._wanted.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over:
            self._ask()
            self._wanted.wait(
                EVERY_S if self._partitions or self._doubted or self.refused else LONELY_EVERY_S
            )
            self._wanted.clear()

    def _ask(self) -> None:
        try:
            if self._partitions:
                self._ask_ends(sorted(self._partitions))
            if self._doubted or not self._partitions:
                self._ask_topics()
        except KafkaException as refused:
            error = refused.args[0]
            # While a broker is away the client forgets its partitions: that says nothing of the topic.
            self.refused = None if error.code() in _FORGOTTEN else (error.code(), error.str())
        else:
            self.refused = None
            self._answers += 1

    def _ask_ends(self, partitions: list[Partition]) -> None:
        self._ends = {**self._ends, **self._reading.end_offsets(partitions, self._answer_s)}

    def _ask_topics(self) -> None:
        """With nothing assigned (a spare, or topics that do not exist) only their names can be asked for.

        A pattern's topics are not listed (there may be thousands): any answer will do. poll() waits for it:
        a spare has nothing to poll for, and the others ask only while a topic is missing.
        """
        asked = self._topics or [ANYBODY]
        missing = set()
        for topic in asked:
            if self._over:
                return
            known = self._consumer.list_topics(topic, timeout=self._answer_s).topics.get(topic)
            if known is None or known.error is not None:
                missing.add(topic)
        self.missing_topics = frozenset(missing - {ANYBODY})
