"""The developer's hand in Kafka: makes topics, and sends what was typed.

hand.py starts it as `python -m ringmain.demo.typist BROKER PARTITIONS`, with a `Request` a line on
stdin and an `Answer` a line on stdout. It is the one process there with a Kafka client, and ends with its
parent.
"""

import sys

import msgspec

from ringmain.demo.hand import Answer, Request
from ringmain.errors import RingmainError
from ringmain.kafka.seeding import Seeder

ANY_PARTITION = -1
_ANSWER_S = 10.0


class Typist:
    """The topics of one broker."""

    def __init__(self, broker: str, partitions: int) -> None:
        self._broker, self._partitions = broker, partitions
        self._seeders: dict[str, Seeder] = {}

    def answer(self, request: Request) -> Answer:
        """Do what is asked."""
        try:
            seeder = self._seeder(request.topic)
            if request.value is not None:
                seeder.send(ANY_PARTITION, request.value, request.key)
                seeder.flush(_ANSWER_S)
        except RingmainError as error:
            return Answer(str(error))
        return Answer()

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
        answer = typist.answer(msgspec.json.decode(line, type=Request))
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
