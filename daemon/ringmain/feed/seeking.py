"""Where a partition is to be read on: an operator's words become an offset that there is.

The Kafka source enters with a Seek. Nothing is moved here; the broker is asked, with a deadline.
"""

from typing import Protocol

from ringmain.kafka.assignment import UNKNOWN
from ringmain.lifecycle import Seek

ASK_S = 3.0


class Asked(Protocol):
    """Kafka, as far as it is asked."""

    def offset_for(self, topic: str, partition: int, when: str | int, timeout_s: float) -> int:
        """The offset at an edge or since a time, or UNKNOWN."""


def target(kafka: Asked, order: Seek) -> tuple[int, str]:
    """Where the order leads, or why nowhere."""
    pair = order.topic, order.partition
    if order.offset < 0:
        offset = kafka.offset_for(*pair, order.edge or order.since_ms, ASK_S)
        return offset, "" if offset != UNKNOWN else "Kafka does not say where that is"
    first, end = (kafka.offset_for(*pair, edge, ASK_S) for edge in ("earliest", "latest"))
    if UNKNOWN in (first, end):
        return UNKNOWN, "Kafka does not say which offsets there are"
    if not first <= order.offset <= end:
        return UNKNOWN, f"there is no offset {order.offset}: it has {first} to {end}"
    return order.offset, ""
