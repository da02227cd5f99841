"""The tests' own Kafka keeps what the other tests rely on."""

from support.kafka_server import KafkaServer


def test_a_produced_topic_has_its_end_offsets_and_no_commits(kafka: KafkaServer) -> None:
    topic = kafka.create_topic(partitions=3)
    items = [b"value", ("key", b"value"), {"key": b"k", "value": None, "headers": [("h", b"1"), ("h", None)]}]
    assert kafka.produce(topic, items) == 3
    assert sum(kafka.end_offsets(topic).values()) == 3
    assert sorted(kafka.end_offsets(topic)) == [0, 1, 2]
    assert kafka.committed("nobody", topic) == {}
    assert kafka.lag("nobody", topic) == 3
    assert kafka.members("nobody") == []


def test_a_killed_server_comes_back_on_the_same_port_with_its_data(own_kafka: KafkaServer) -> None:
    topic = own_kafka.create_topic(partitions=1, max__message__bytes=5_000_000)
    own_kafka.produce(topic, (b"x" * 100 for _ in range(1000)))
    own_kafka.stop()
    assert not own_kafka.ready()
    own_kafka.start()
    assert own_kafka.end_offsets(topic) == {0: 1000}
