"""The developer's hand in Kafka: makes topics, sends what was typed, and looks how far the topics go.

hand.py starts it as `python -m ringmain.demo.typist BROKER PARTITIONS`, with a `Request` or `Ends` a line on
stdin and an `Answer` a line on stdout. It is the one process there with a Kafka client, and ends with its
parent.
"""

import sys

import msgspec

from ringmain.demo.hand import Answer, Ends, Request
from ringmain.errors import RingmainError
from ringmain.kafka.lookup import Lookup
from ringmain.kafka.seeding import Seeder

ANY_PARTITION = -1
ANY_TOPIC = "^(?!__)"
"""Kafka's own begin with two underscores."""
GROUP = "ringmain-typist"
"""Nobody's: a client has to name one, and nothing is read or committed."""
_ANSWER_S = 10.0


class Typist:
    """The topics of one broker."""

    def __init__(self, broker: str, partitions: int) -> None:
        self._broker, self._partitions = broker, partitions
        self._seeders: dict[str, Seeder] = {}
        self._lookup: Lookup | None = None

    def answer(self, asked: Request | Ends) -> Answer:
        """Do what is asked."""
        try:
            return Answer(ends=self._ends()) if isinstance(asked, Ends) else self._send(asked)
        except RingmainError as error:
            return Answer(str(error))

    def _send(self, request: Request) -> Answer:
        seeder = self._seeder(request.topic)
        if request.value is not None:
            seeder.send(ANY_PARTITION, request.value, request.key)
            seeder.flush(_ANSWER_S)
        return Answer()

    def _ends(self) -> dict[str, list[int]]:
        if self._lookup is None:
            self._lookup = Lookup({"bootstrap.servers": self._broker, "group.id": GROUP})
        counts = self._lookup.partition_counts([ANY_TOPIC])
        pairs = [(topic, number) for topic, count in counts.items() for number in range(count)]
        found = self._lookup.end_offsets(pairs)
        if unknown := [topic for topic, number in pairs if (topic, number) not in found]:
            raise RingmainError(f"the embedded broker does not say how far topic {unknown[0]} goes")
        return {topic: [found[topic, number] for number in range(count)] for topic, count in counts.items()}

    def _seeder(self, topic: str) -> Seeder:
        if topic not in self._seeders:
            seeder = Seeder(self._broker, topic, self._partitions)
            seeder.create_topic()
            self._seeders[topic] = seeder
        return self._seeders[topic]


def main(argv: list[str]) -> int:
    """Until nobody asks any more."""
    typist = Typist(argv[0], int(argv[1]))
    for line in sys.stdin.buffer:
        answer = typist.answer(msgspec.json.decode(line, type=Request | Ends))
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
