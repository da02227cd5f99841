"""What is wrong with Kafka right now, in words an operator can act on.

KafkaSource enters: errors as they come, and every sign that it is well again. Nothing is logged or raised.
"""

import re

from confluent_kafka import KafkaError

_AWAY = {KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._WAIT_COORD}
_NO_ADDRESS = {KafkaError._RESOLVE}
_LOGIN = {
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._SSL,
    KafkaError.UNSUPPORTED_SASL_MECHANISM,
}
_NO_TOPIC = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
_NOT_ALLOWED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
_GROUP = {
    KafkaError.INCONSISTENT_GROUP_PROTOCOL,
    KafkaError.INVALID_GROUP_ID,
    KafkaError.GROUP_MAX_SIZE_REACHED,
    KafkaError._MAX_POLL_EXCEEDED,
    KafkaError._NO_OFFSET,
    KafkaError._AUTO_OFFSET_RESET,
    KafkaError.UNSUPPORTED_VERSION,
    KafkaError._UNSUPPORTED_FEATURE,
}

BROKER, TOPIC, GROUP = "broker", "topic", "group"

_MOMENT = re.compile(r" \(after \d+ms in state [^)]*\)$")
"""What differs from one try to the next in librdkafka's words: with it, one trouble looks like many."""


class Health:
    """The open problems, at most one of each kind; none = well."""

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._open: dict[str, str] = {}

    @property
    def problem(self) -> str | None:
        """One line of everything that is open, None = well."""
        return "; ".join(self._open.values()) or None

    @property
    def troubled(self) -> frozenset[str]:
        """The kinds that are open."""
        return frozenset(self._open)

    def error(self, code: int, text: str) -> None:
        """Note an error of librdkafka; one that mends itself (a single connection lost) is none."""
        text = _MOMENT.sub("", text)
        if code in _NO_TOPIC:
            self._open[TOPIC] = f"a topic does not exist: {text}"
        elif code in _NOT_ALLOWED:
            self._open[GROUP] = f"Kafka does not allow it: {text}"
        elif code in _GROUP:
            self._open[GROUP] = f"the group does not take this member: {text}"
        else:
            self._broker_error(code, text)

    def well(self, kind: str) -> None:
        """A sign that this kind of trouble is over."""
        self._open.pop(kind, None)

    def _broker_error(self, code: int, text: str) -> None:
        if code in _LOGIN:
            self._open[BROKER] = f"Kafka at {self._servers} refuses the connection: {text}"
        elif code in _NO_ADDRESS:
            self._open[BROKER] = f"Kafka at {self._servers} has no address: {text}"
        elif code == KafkaError._ALL_BROKERS_DOWN:
            # librdkafka's own text counts brokers that it only knows by another name, and changes meanwhile.
            self._open.setdefault(BROKER, f"Kafka at {self._servers} does not answer: all brokers are down")
        elif code in _AWAY and code != KafkaError._TRANSPORT:
            # A password that is wrong also makes all brokers "down": the better reason stays.
            self._open.setdefault(BROKER, f"Kafka at {self._servers} does not answer: {text}")
