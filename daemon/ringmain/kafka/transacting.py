"""Transactions of one process: one client, what its calls send, and the offset that stands or falls with it.

A handler of a transactional route enters, and the feeder that ends what a dead one left open. Each step
waits for a broker only as long as it is given, and ends with a word, never an exception. LOSS: after LOST
nobody here knows whether the transaction stands; only the group's committed offset tells.
"""

import contextlib
import logging
from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka import Producer as Client

from ringmain.clock import monotonic_s
from ringmain.errors import AppError, DeliveryFailed
from ringmain.kafka.mail import Mail
from ringmain.kafka.producer_properties import producer_properties
from ringmain.kafka.producing import NAG_S, Boxes, KafkaOutlet, Offer, told
from ringmain.kafka.properties import Properties
from ringmain.kafka.silent import Silent
from ringmain.producer import Delivery, Plain

STEP_S = 1.0
"""A step's time; one that needs longer is asked for again."""
MARGIN_S = 10.0
"""Beyond its longest call a transaction may take so long until Kafka aborts it."""
RETRY_MS = "5"
_OF_A_TOPIC = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
}
_log = logging.getLogger(__name__)


class Step(Enum):
    """How a step ended."""

    DONE = "done"
    AGAIN = "not in its time: the same step is to be asked for again"
    REFUSED = "the transaction must be aborted"
    LOST = "the client is beyond repair, or nobody knows"


def transacting_properties(id_: str, properties: Properties, timeout_s: float) -> dict[str, str]:
    """All properties of a transaction's client. `timeout_s`: the longest call."""
    # PERF: Kafka answers "not yet" to who begins before the last one's markers are written: each time.
    found = {
        "transaction.timeout.ms": str(int((timeout_s + MARGIN_S) * 1000)),
        "retry.backoff.ms": RETRY_MS,
    }
    return found | producer_properties(id_, properties) | {"transactional.id": id_}


class Transaction:
    """The transactions of one id, one after another."""

    def __init__(self, id_: str, properties: Properties, timeout_s: float) -> None:
        self.id = id_
        self._properties = transacting_properties(id_, properties, timeout_s)
        self._nag_at_s = 0.0
        self.refused_topic = ""
        """What Kafka said when it refused the present transaction for a topic's sake."""
        self.client = self._made()

    def prepare(self) -> bool:
        """End what another of this id left open, and keep it from going on. False = not yet: ask again."""
        step = self._take(self.client.init_transactions)
        if step is Step.REFUSED or step is Step.LOST:
            self.client = self._made()
        return step is Step.DONE

    def begin(self) -> Step:
        """What is sent from now on is of one transaction."""
        self.refused_topic = ""
        return self._take(lambda _: self.client.begin_transaction())

    def flush(self, timeout_s: float) -> None:
        """Send, and serve the reports that come within so long."""
        self.client.flush(timeout_s)

    def send_offset(self, place: tuple[str, int, int], member: bytes) -> Step:
        """(topic, partition, next offset) is committed with the rest, in the name of this member."""
        positions = [TopicPartition(*place)]
        return self._take(
            lambda timeout_s: self.client.send_offsets_to_transaction(positions, member, timeout_s)
        )

    def commit(self) -> Step:
        """All of it, or nothing."""
        return self._take(self.client.commit_transaction)

    def abort(self) -> Step:
        """Nothing of it."""
        return self._take(self.client.abort_transaction)

    @staticmethod
    def refuses_all(failure: DeliveryFailed) -> bool:
        """It was not sent because the transaction has failed before; its commit will say why."""
        return failure.code == KafkaError._STATE

    def close(self) -> None:
        """Give up what has no report yet."""
        with contextlib.suppress(KafkaException):  # a client that was fenced says so once more
            self.client.purge()
            self.client.flush(0)

    def _take(self, step: Callable[[float], object]) -> Step:
        try:
            step(STEP_S)
        except KafkaException as failed:
            error = failed.args[0]
            if error.fatal():
                word = Step.LOST
            elif error.txn_requires_abort():
                word = Step.REFUSED
                self.refused_topic = error.str() if error.code() in _OF_A_TOPIC else ""
            else:
                word = Step.AGAIN if error.retriable() else Step.LOST
            self._say(word, error.str())
            return word
        return Step.DONE

    def _say(self, word: Step, reason: str) -> None:
        if (now_s := monotonic_s()) >= self._nag_at_s:
            self._nag_at_s = now_s + NAG_S
            said = {"transactional_id": self.id, "outcome": word.value, "reason": reason}
            _log.warning("a transaction has trouble", extra=said)

    def _made(self) -> Client:
        try:
            return Client({"log_level": "0", **self._properties}, logger=Silent())
        except (KafkaException, ValueError, TypeError) as refused:
            raise AppError(f"the client of {self.id!r} cannot be made: {refused}") from None


class TransactionOutlet(KafkaOutlet):
    """One producer of the app, whose messages go into the transaction of the call that sends them."""

    def __init__(self, name: str, offer: Offer, outbox: Boxes, transaction: Transaction) -> None:
        self._transaction = transaction
        super().__init__(name, offer, outbox)

    @property
    def plain(self) -> Plain:
        """As all others."""
        return partial(self.send, more=None)

    def send(
        self, topic: str, value: Any, key: bytes | str | None, more: Mapping[str, Any] | None
    ) -> Delivery:
        """Put one on its way, within a call."""
        if self._outbox() is None:
            raise AppError(
                f"producer {self.name!r} sends within calls only on a transactional route: what is sent "
                "elsewhere would be part of no transaction"
            )
        if isinstance(self._mail, Mail) and self._mail.client is not self._transaction.client:
            self._mail = self._made()  # what was refused before its first transaction was made anew
        return super().send(topic, value, key, more)

    def explained(self, error: KafkaError, topic: str, size_bytes: int) -> DeliveryFailed:
        """LOSS: a transaction that has failed takes nothing more, whoever sends: no fault of his."""
        failure = super().explained(error, topic, size_bytes)
        failure.away = failure.away or error.code() in (KafkaError._STATE, KafkaError._FATAL)
        return failure

    def close(self) -> None:
        """The transaction closes its client."""

    def _made(self) -> Mail:
        return Mail(self._transaction.client, self.nag, told)

    def _renew(self) -> None:
        raise AppError(f"producer {self.name!r}: its transaction is lost, the call comes again")
