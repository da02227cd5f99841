"""Puts messages into a Kafka topic once more, with the key and headers that they had, and says what became of
each.

A bulk job on the dead set enters, for `--to-topic`. LOSS: a message is well only by its delivery report
(acks=all); without one it is not, though it may have arrived. Nothing is read or committed here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from ringmain.clock import monotonic_s
from ringmain.errors import RepublishRefused
from ringmain.kafka.lookup import CONSUMER_ONLY
from ringmain.kafka.properties import Properties
from ringmain.kafka.silent import Silent

FROM_HEADER = "ringmain-republished-from"
"""`topic:partition:offset` that the message had when it died."""
DELIVERY_S = 30.0
Copy = tuple[str, bytes | None, bytes | None, list[tuple[str, bytes | None]], str]
"""The route whose cluster it is for, value, key, headers, and where it comes from."""
_ANSWER_S = 10.0
_POLL_S = 0.1
_NO_REPORT = "Kafka has not confirmed it in time; it may have arrived all the same"


class Republisher:
    """Producers for the clusters of several routes, each made when it is needed."""

    def __init__(self, properties: Mapping[str, Properties], otherwise: Properties) -> None:
        self._properties = properties
        self._otherwise = otherwise
        self._producers: dict[str, Producer] = {}

    def check(self, topic: str, routes: Sequence[str]) -> None:
        """RepublishRefused if the topic is not there; a slip of the keyboard makes none."""
        for route in routes or [""]:
            try:
                found = self._producer(route).list_topics(timeout=_ANSWER_S).topics
            except KafkaException as error:
                raise RepublishRefused(f"Kafka gives no answer: {error.args[0].str()}") from None
            if topic not in found:
                raise RepublishRefused(f"there is no topic {topic!r} in the cluster of route {route!r}")

    def send(self, topic: str, batch: Sequence[Copy]) -> list[str]:
        """For each "" once Kafka has confirmed it, else why not."""
        said = [_NO_REPORT] * len(batch)
        used = {self._send_one(topic, one, said, number) for number, one in enumerate(batch)}
        deadline_s = monotonic_s() + DELIVERY_S + _ANSWER_S
        for producer in used - {None}:
            assert producer is not None
            while len(producer) and monotonic_s() < deadline_s:
                producer.flush(_POLL_S)
        return said

    def close(self) -> None:
        """Give up what has no report yet."""
        for producer in self._producers.values():
            producer.purge()
            producer.flush(_POLL_S)
        self._producers.clear()

    def _send_one(self, topic: str, one: Copy, said: list[str], number: int) -> Producer | None:
        route, value, key, headers, origin = one

        def reported(error: KafkaError | None, _message: Message) -> None:
            said[number] = error.str() if error is not None else ""

        try:
            producer = self._producer(route)
            kept = [header for header in headers if header[0] != FROM_HEADER]
            said_from = [*kept, (FROM_HEADER, origin.encode())]
            _enqueue(producer, topic, (value, key), {"headers": said_from, "on_delivery": reported})
        except KafkaException as error:
            said[number] = error.args[0].str()
            return None
        return producer

    def _producer(self, route: str) -> Producer:
        given = self._properties.get(route, self._otherwise)
        key = repr(sorted(given.items()))
        if key not in self._producers:
            try:
                self._producers[key] = Producer(_producing(given), logger=Silent())
            except KafkaException as error:
                raise RepublishRefused(
                    f"no producer with the properties of route {route!r}: {error}"
                ) from None
        return self._producers[key]


def _producing(given: Properties) -> dict[str, Any]:
    kept = {name: value for name, value in given.items() if not name.startswith(CONSUMER_ONLY)}
    ours = {"acks": "all", "enable.idempotence": "true", "delivery.timeout.ms": str(int(DELIVERY_S * 1000))}
    return {"log_level": "0", "linger.ms": "5", **kept, **ours}


def _enqueue(
    producer: Producer, topic: str, content: tuple[bytes | None, bytes | None], more: dict[str, Any]
) -> None:
    while True:
        try:
            producer.produce(topic, *content, **more)
            return
        except BufferError:  # its queue is full: reports make room
            producer.poll(_POLL_S)
