"""Which properties are whose, and that librdkafka's own word is passed on."""

import threading

from ringmain.kafka.properties import (
    ALWAYS,
    DEFAULTS,
    OWNED,
    Member,
    consumer_properties,
    cooperative,
    misfits,
    refusals,
    rejections,
)

MEMBER = Member("billing", "orders", "host-1.example", 3)


def test_what_ringmain_owns_is_refused_with_a_reason() -> None:
    assert refusals({"enable.auto.commit": "true", "bootstrap.servers": "x:1"}) == [
        ("enable.auto.commit", f"is ringmain's own, remove it: {OWNED['enable.auto.commit']}")
    ]
    assert all(OWNED.values())
    assert refusals({"rebalance_cb": "x"}) == [("rebalance_cb", "callbacks are ringmain's own, remove it")]


def test_the_consumer_protocol_forbids_what_the_broker_decides() -> None:
    asked = {"group.protocol": "consumer", "session.timeout.ms": "9000", "fetch.min.bytes": "1"}
    ((name, reason),) = refusals(asked)
    assert name == "session.timeout.ms"
    assert reason.startswith("not with group.protocol=consumer")


def test_librdkafka_says_what_it_does_not_take_and_no_client_is_made() -> None:
    threads = threading.active_count()
    said = dict(rejections({"foo.bar": "1", "session.timeout.ms": "soon", "bootstrap.servers": "x:1"}))
    assert set(said) == {"foo.bar", "session.timeout.ms"}
    assert "No such configuration property" in said["foo.bar"]
    assert threading.active_count() == threads


def test_combinations_are_told_too() -> None:
    assert "ssl.ca.location" in misfits({"security.protocol": "ssl", "ssl.ca.location": "/no/such/file"})
    for protocol in ("classic", "consumer"):
        assert misfits(consumer_properties(MEMBER, {"group.protocol": protocol})) == ""


def test_defaults_yield_to_the_user_and_promises_do_not() -> None:
    made = consumer_properties(MEMBER, {"auto.offset.reset": "latest", "enable.auto.commit": "true"})
    assert made["auto.offset.reset"] == "latest"
    assert made["enable.auto.commit"] == ALWAYS["enable.auto.commit"] == "false"
    assert made["isolation.level"] == "read_committed"
    assert 5 <= int(DEFAULTS["fetch.queue.backoff.ms"].value) <= 50
    assert made["session.timeout.ms"] == "15000"
    assert "session.timeout.ms" not in consumer_properties(MEMBER, {"group.protocol": "consumer"})


def test_a_seat_is_known_by_its_ids() -> None:
    static = consumer_properties(MEMBER, {})
    assert static["group.instance.id"] == static["client.id"] == "billing.orders.host-1.example.3"
    dynamic = consumer_properties(Member("billing", "orders", "h", 0, "dynamic"), {})
    assert "group.instance.id" not in dynamic


def test_the_protocol_follows_the_properties() -> None:
    assert cooperative(consumer_properties(MEMBER, {}))
    assert cooperative({"group.protocol": "consumer"})
    assert not cooperative(consumer_properties(MEMBER, {"partition.assignment.strategy": "range"}))
