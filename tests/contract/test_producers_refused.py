"""A Kafka that does not let this user write: each failure names what is missing, none is retried for ever."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from ringmain import DeliveryFailed, Producer
from ringmain._fastpath import Outbox
from ringmain.errors import AppError
from ringmain.kafka.outlets import Outlets
from ringmain.kafka.producing import KafkaOutlet, Offer
from ringmain.kafka.transacting import Step, Transaction, TransactionOutlet
from support.sasl_kafka import USER, SaslKafka
from support.topic_contents import values
from support.waiting import eventually

DEADLINE_S = 30.0
PASSWORD = "let-me-in"
GUARDED = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SaslKafka]:
    """Who comes with the password may do nothing that an ACL does not allow."""
    folder: Path = tmp_path_factory.mktemp("guarded")
    server = SaslKafka(folder, PASSWORD, GUARDED)
    server.start()
    yield server
    server.close()


def allow(server: SaslKafka, kind: ResourceType, name: str, operation: AclOperation) -> None:
    binding = AclBinding(
        kind, name, ResourcePatternType.LITERAL, f"User:{USER}", "*", operation, AclPermissionType.ALLOW
    )
    admin = AdminClient({"bootstrap.servers": server.bootstrap})  # must outlive its answer
    admin.create_acls([binding])[binding].result(DEADLINE_S)


def allow_writing(server: SaslKafka, topic: str) -> None:
    allow(server, ResourceType.TOPIC, topic, AclOperation.WRITE)


@pytest.fixture
def producer(guarded: SaslKafka) -> Iterator[Producer]:
    offer = Offer("test.out", guarded.client_properties(PASSWORD), lambda _value, _topic: b"")
    outlets = Outlets({"out": offer}, lambda name, one: KafkaOutlet(name, one, lambda: None))
    one = Producer("out", "app.py:1")
    one.open_by(outlets.open)
    yield one
    outlets.close()


def test_a_user_who_may_write_nowhere_is_told_and_goes_on_once_he_may(
    guarded: SaslKafka, producer: Producer
) -> None:
    topic = guarded.create_topic()
    with pytest.raises(DeliveryFailed, match="does not allow this user"):
        producer.send(topic, b"x").result(DEADLINE_S)
    allow_writing(guarded, topic)

    def allowed() -> bool:
        with contextlib.suppress(DeliveryFailed):
            return producer.send(topic, b"now").result(DEADLINE_S).offset == 0
        return False

    eventually(allowed, DEADLINE_S)
    assert values(guarded, topic) == [b"now"]


def test_a_topic_that_is_not_authorised_fails_at_once_and_others_go_on(
    guarded: SaslKafka, producer: Producer
) -> None:
    allowed, forbidden = guarded.create_topic(), guarded.create_topic()
    allow_writing(guarded, allowed)
    producer.send(allowed, b"first").result(DEADLINE_S)
    with pytest.raises(DeliveryFailed, match="does not allow this user to write there") as failed:
        producer.send(forbidden, b"x").result(DEADLINE_S)
    assert (failed.value.topic, failed.value.away) == (forbidden, False)
    producer.send(allowed, b"second").result(DEADLINE_S)
    assert values(guarded, allowed) == [b"first", b"second"]
    assert values(guarded, forbidden) == []


def test_a_transaction_with_a_topic_that_is_not_allowed_is_refused_and_says_so(guarded: SaslKafka) -> None:
    topic = guarded.create_topic()
    allow(guarded, ResourceType.TRANSACTIONAL_ID, "tx", AclOperation.ALL)
    one = Transaction("tx", guarded.client_properties(PASSWORD), 30.0)
    eventually(one.prepare, DEADLINE_S)
    assert one.begin() is Step.DONE
    box = Outbox()
    offer = Offer("test", {}, lambda _value, _topic: b"")
    TransactionOutlet("out", offer, lambda: box, one).send(topic, b"x", None, None)
    while (step := one.commit()) is Step.AGAIN:
        pass
    assert step is Step.REFUSED
    assert one.refused_topic or (box.failure is not None and not box.failure.away)
    assert one.abort() is Step.DONE
    one.close()


def test_while_no_other_client_can_be_made_the_broken_one_counts_its_messages_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offer = Offer("test.out", {"bootstrap.servers": "127.0.0.1:1"}, lambda _value, _topic: b"")
    outlet = KafkaOutlet("out", offer, lambda: None)
    outlet.send("t", b"first", None, None)
    outlet._mail.broken = True
    made = outlet._made

    def unable() -> NoReturn:
        raise AppError("producer 'out' cannot be made")

    monkeypatch.setattr(outlet, "_made", unable)
    for _ in range(2):
        with pytest.raises(AppError):
            outlet.send("t", b"second", None, {"partition": 0})
        assert outlet._left == []
    monkeypatch.setattr(outlet, "_made", made)
    outlet.send("t", b"second", None, {"partition": 0})
    assert len(outlet._left) == 1
    outlet.close()
