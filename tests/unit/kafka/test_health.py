"""Errors become the sentence an operator needs, and go when it is over."""

from confluent_kafka import KafkaError

from ringmain.kafka.health import BROKER, GROUP, TOPIC, Health


def test_the_reason_of_a_refused_login_is_not_covered_by_its_consequence() -> None:
    health = Health("kafka:9092")
    health.error(KafkaError._AUTHENTICATION, "wrong password")
    health.error(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")
    assert health.problem == "Kafka at kafka:9092 refuses the connection: wrong password"


def test_one_lost_connection_is_no_trouble() -> None:
    health = Health("kafka:9092")
    health.error(KafkaError._TRANSPORT, "disconnected")
    assert health.problem is None


def test_each_kind_ends_by_its_own_sign() -> None:
    health = Health("kafka:9092")
    health.error(KafkaError._ALL_BROKERS_DOWN, "down")
    health.error(KafkaError.UNKNOWN_TOPIC_OR_PART, "orders")
    health.error(KafkaError.GROUP_AUTHORIZATION_FAILED, "billing")
    assert str(health.problem).count("; ") == 2
    health.well(BROKER)
    health.well(GROUP)
    assert health.problem == "a topic does not exist: orders"
    health.well(TOPIC)
    assert health.problem is None
