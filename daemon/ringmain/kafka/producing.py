"""One producer: messages to Kafka, and what became of each.

outlets.py enters, and whoever sends. LOSS: a message is delivered by its report alone; without one its call
is not done. A full queue is waited for, never an error. Nothing is encoded here but by the function that is
given, and no payload is ever logged.
"""

import logging
import math
from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message

from ringmain._fastpath import Outbox, Outboxes, Sender
from ringmain.clock import monotonic_s
from ringmain.codec import ByValue, Encode
from ringmain.errors import AppError, DeliveryFailed
from ringmain.kafka.mail import Mail, Orphan, mail
from ringmain.kafka.producer_properties import producer_properties
from ringmain.kafka.properties import Properties
from ringmain.producer import Delivery, Plain, Sent

Boxes = Outboxes | Callable[[], Outbox | None]
"""The outbox of the call that sends; None = of no call."""
Parts = tuple[str, bytes | None, Any]
"""Topic, value, key."""
Spell = Mapping[str, Any]
"""What else was said of a message, as the client calls it."""
CROWDED = 10_000
"""Messages on their way above which no new call begins: those would wait within a call, whose time runs."""
NAG_S = 60.0
WAIT_S = 0.1
_NEVER = 1e9

_AWAY = {
    KafkaError._MSG_TIMED_OUT,
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._PURGE_QUEUE,
    KafkaError._PURGE_INFLIGHT,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.NOT_ENOUGH_REPLICAS,
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    KafkaError.LEADER_NOT_AVAILABLE,
}
_WORDS = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "Kafka does not allow this user to write there",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "Kafka does not allow this user to write idempotently",
    KafkaError._UNKNOWN_TOPIC: "there is no such topic",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "there is no such topic or partition",
    KafkaError._UNKNOWN_PARTITION: "the topic has no such partition",
    KafkaError._MSG_TIMED_OUT: "Kafka has not confirmed it in time; it may have arrived all the same",
    KafkaError._PURGE_QUEUE: "this process ended first",
    KafkaError._PURGE_INFLIGHT: "this process ended first; it may have arrived all the same",
}
_TOO_LARGE = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Offer:
    """What one producer is made of."""

    client_id: str
    properties: Properties
    encode: Encode
    patience_s: float = math.inf
    """How long a `send` waits for room: who waits within a call must not wait until that is killed."""
    direct: bool = True
    """Past the client's own Python, where its build can be reached so."""


class KafkaDelivery(Delivery):
    """Is called back by its client, or told by the letters of its outlet."""

    __slots__ = ()

    def __call__(self, error: KafkaError | None, report: Message) -> None:
        """The delivery report."""
        if error is None:
            partition, offset = report.partition(), report.offset()
            self.lies(-1 if partition is None else partition, -1 if offset is None else offset)
        self.reported(error, len(report.value() or b""))

    def reported(self, error: KafkaError | None, size_bytes: int) -> None:
        """What became of it."""
        if error is None:
            self.arrive()
            return
        outlet = self.outlet
        assert isinstance(outlet, KafkaOutlet)
        self.fail(outlet.explained(error, self.topic, size_bytes), outlet.complain)

    def __await__(self) -> Generator[Any, None, Sent]:
        """Off the loop that handlers run on, whoever awaits waits in his thread."""
        outlet = self.outlet
        if not self.done and isinstance(outlet, KafkaOutlet) and not outlet.on_loop:
            outlet.wait(self, None)
        return super().__await__()


def told(delivery: KafkaDelivery, code: int, size_bytes: int) -> None:
    """What the letters tell."""
    delivery.reported(KafkaError(code) if code else None, size_bytes)


def sender(outlet: "KafkaOutlet", encode: Encode, outbox: Boxes) -> Sender:
    """The outlet's short way."""
    if isinstance(encode, ByValue):
        return Sender(outlet, encode.encode, True, outbox)
    return Sender(outlet, encode, False, outbox)


class KafkaOutlet:
    """One producer's client, where calls follow one another: whoever waits serves the reports himself."""

    on_loop = False
    """Whether an event loop serves the reports."""
    rushes = True
    """Whether who waits for a delivery has all sent at once."""

    def __init__(self, name: str, offer: Offer, outbox: Boxes) -> None:
        self.name = name
        self._offer, self._encode = offer, offer.encode
        self._outbox = outbox.present if isinstance(outbox, Outboxes) else outbox
        self._nag_at_s = 0.0
        self._trouble = ""
        self._limit = CROWDED
        self._left: list[Mail] = []  # broken ones whose last reports are still to come
        self._broken = False
        self._line: deque[tuple[Parts, KafkaDelivery, Spell]] = deque()  # what has no room yet, on a loop
        self._parents: list[Mail] = []
        self._sender = sender(self, offer.encode, outbox)
        self._mail: Mail | Orphan
        self._use(self._made())

    @property
    def waiting(self) -> int:
        """Messages that have no report yet."""
        return len(self._mail) + sum(map(len, self._left))

    @property
    def crowded(self) -> bool:
        """So many that no new call should begin."""
        return len(self._mail) >= self._limit

    @property
    def plain(self) -> Plain:
        """What sends a message of nothing but value and key."""
        return self._sender

    def send(
        self, topic: str, value: Any, key: bytes | str | None, more: Mapping[str, Any] | None
    ) -> Delivery:
        """Put one on its way."""
        if more is None and not self._line:  # ORDER: nobody overtakes the line
            sent: KafkaDelivery = self._sender(topic, value, key)
            return sent
        body = value if value is None or isinstance(value, bytes) else self._encode(value, topic)
        return self.put(topic, body, key, self._outbox(), more)

    def put(
        self,
        topic: str,
        body: Any,
        key: bytes | str | None,
        outbox: Outbox | None,
        more: Mapping[str, Any] | None = None,
    ) -> KafkaDelivery:
        """The same by the client's own Python, with what is encoded already."""
        if self._broken or self._mail.broken:
            self._renew()
        delivery, said = KafkaDelivery(self, outbox, topic), spelled(more or {})
        try:
            if self._line:
                raise BufferError
            self._mail.produce(topic, body, key, on_delivery=delivery, **said)
        except BufferError:
            self._when_full((topic, body, key), delivery, said)
        except Exception as refused:
            self.refused(refused, topic, body, delivery)
        return delivery

    def wait(self, delivery: Delivery, timeout_s: float | None) -> None:
        """Serve the reports until this one is there."""
        end_s = monotonic_s() + (_NEVER if timeout_s is None else timeout_s)
        while not delivery.done:
            left_s = end_s - monotonic_s()
            self.rush(max(0.0, min(left_s, WAIT_S)))
            if left_s <= 0 and not delivery.done:
                raise TimeoutError(f"producer {self.name!r}: not delivered within {timeout_s:g} s")

    def poll(self, timeout_s: float = 0.0) -> None:
        """Serve the reports that are there; wait so long for the first."""
        self._mail.poll(timeout_s)
        if self._left:
            self._left = [one for one in self._left if one.poll(0) or len(one)]

    def rush(self, timeout_s: float) -> None:
        """Send what waits for company, and serve the reports that come within so long."""
        busy = self._mail if len(self._mail) or not self._left else self._left[0]
        busy.flush(timeout_s)
        if self._left:
            self.poll()

    def close(self) -> None:
        """Give up what has no report yet: it gets one now."""
        for one in (self._mail, *self._left):
            one.purge()
            one.flush(WAIT_S)

    def disown(self) -> None:
        """FORK: the clients' threads are the parent's: here one would wait for ever, even for its own end."""
        if isinstance(self._mail, Orphan):
            return
        self._parents += [self._mail, *self._left]
        self._left, self._broken = [], False
        self._line.clear()
        self._use(Orphan(self.name))

    @property
    def orphaned(self) -> bool:
        """Whether this is a process that a handler forked."""
        return isinstance(self._mail, Orphan)

    def explained(self, error: KafkaError, topic: str, size_bytes: int) -> DeliveryFailed:
        """What librdkafka or the broker said, in words about this message."""
        code = error.code()
        self._broken = self._broken or error.fatal() or code == KafkaError._FATAL
        reason = _WORDS.get(code, error.str())
        if code == KafkaError._FATAL and self._trouble:
            reason = self._trouble
        if code in _TOO_LARGE:
            reason = (
                f"its value of {size_bytes} bytes is too large: see message.max.bytes of the producer "
                "and max.message.bytes of the topic"
            )
        return DeliveryFailed(self.name, topic, reason, code=code, away=code in _AWAY)

    def complain(self, failure: DeliveryFailed) -> None:
        """A failure that nobody else would hear of."""
        _log.error("message not delivered", extra={"producer": self.name, "reason": str(failure)})

    def refused(self, why: Exception, topic: str, body: bytes | None, delivery: KafkaDelivery) -> None:
        """The client does not take it: the delivery has failed, unless it is the caller who is to be told."""
        if not isinstance(why, KafkaException):
            delivery.forget()
            raise why
        delivery.fail(self.explained(why.args[0], topic, len(body or b"")), self.complain)

    def calm_down(self) -> None:
        """From now on calls wait before they begin, not within."""
        self._limit = max(1, min(self._limit, len(self._mail) // 2))

    def _when_full(self, message: Parts, delivery: KafkaDelivery, said: Spell) -> None:
        """Reports make room."""
        self.calm_down()
        end_s = monotonic_s() + self._offer.patience_s
        while monotonic_s() < end_s:
            self._mail.poll(WAIT_S)
            try:
                self._mail.produce(*message, on_delivery=delivery, **said)
                return
            except BufferError:
                continue
            except Exception as refused:
                self.refused(refused, message[0], message[1], delivery)
                return
        reason = f"no room in the client's queue within {self._offer.patience_s:g} s"
        failure = DeliveryFailed(self.name, message[0], self._trouble_behind(reason), away=True)
        delivery.forget(failure)
        raise failure

    def _trouble_behind(self, reason: str) -> str:
        return f"{reason}; {self._trouble}" if self._trouble else reason

    def _renew(self) -> None:
        """A client that is beyond repair serves its last reports; another takes its place."""
        assert not isinstance(self._mail, Orphan)
        made = self._made()
        self._broken = False
        self._left.append(self._mail)
        _log.warning("producer is made anew", extra={"producer": self.name})
        self._use(made)

    def _use(self, mail: Mail | Orphan) -> None:
        self._mail, self._sender.letters = mail, mail.letters

    def _made(self) -> Mail:
        offer = self._offer
        properties = producer_properties(offer.client_id, offer.properties, rushes=self.rushes)
        try:
            made = mail(properties, self.nag, told, KafkaDelivery if offer.direct else None)
        except (KafkaException, ValueError, TypeError) as refused:
            raise AppError(f"producer {self.name!r} cannot be made: {refused}") from None
        if made.slow_because:
            said = {"producer": self.name, "reason": made.slow_because}
            _log.warning("messages are sent through Python objects", extra=said)
        return made

    def nag(self, error: KafkaError) -> None:
        """Kafka is away, or refuses: said once and then every minute."""
        self._trouble = _WORDS.get(error.code(), error.str())
        if (now_s := monotonic_s()) >= self._nag_at_s:
            self._nag_at_s = now_s + NAG_S
            said = {"producer": self.name, "reason": error.str(), "messages": len(self._mail)}
            _log.warning("producer has trouble with Kafka", extra=said)


def spelled(more: Mapping[str, Any]) -> dict[str, Any]:
    """As the client calls them."""
    said = dict(more)
    if "timestamp_ms" in said:
        said["timestamp"] = said.pop("timestamp_ms")
    if "headers" in said:
        headers = said["headers"]
        said["headers"] = list(headers.items() if isinstance(headers, Mapping) else headers)
    return said
