"""How this room fails towards the others: in one way only.

Feeders enter. No exception of confluent_kafka leaves the room; troubles that may pass are a text
(`KafkaSource.problem`), never an exception.
"""

from ringmain.errors import RingmainError


class FatalKafkaError(RingmainError):
    """The client is beyond repair in this process (fenced, its instance id in use): exit."""


class LookupRefused(RingmainError):
    """Kafka does not answer a question, or not to us."""

    def __init__(self, reason: str, code: int) -> None:
        self.code = code
        super().__init__(f"Kafka gives no answer: {reason}")
