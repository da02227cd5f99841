"""Which messages a route reads: partitions and topics that come later, gaps in offsets, several clusters."""

from collections.abc import Callable

import pytest
from confluent_kafka import Producer

from support.kafka_server import KafkaServer
from support.nodes import partitions_of
from support.scenario import Scenario
from support.waiting import eventually

DONE = """
    @app.route("r")
    def handle(value: bytes, message: Message) -> None:
        tell("done", message, note=value.decode())
"""
MET_S = 60.0


def notes(scenario: Scenario) -> list[str]:
    return sorted(one.note for one in scenario.events("done"))


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_partitions_added_while_running_are_read_from_their_beginning(
    scenario: Scenario, protocol: str
) -> None:
    scenario.create_topic(2)
    scenario.app(DONE)
    scenario.config({"format": "raw"}, kafka={"group.protocol": protocol})
    daemon = scenario.start()
    eventually(lambda: len(partitions_of(daemon)) == 2, MET_S)
    scenario.kafka.add_partitions(scenario.topic, 4)
    for partition in range(4):
        scenario.produce([b"early"] * 100, partition=partition)
    scenario.wait_for("done", 400, MET_S)
    scenario.wait_for_settled()
    scenario.assert_each_once()
    eventually(lambda: len(daemon.kafka_feeders()) == 4, MET_S)
    daemon.stop()


def in_transactions(kafka: KafkaServer, topic: str, rounds: int) -> list[str]:
    """Commit and abort transactions in turn, the last one aborted; the values that count.

    Kafka answers a commit and an abort before their markers are in the log: the end is waited for.
    """
    before = kafka.end_offsets(topic)[0]
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic, "log_level": 0})
    producer.init_transactions(30)
    for each in range(2 * rounds):
        producer.begin_transaction()
        for number in range(10):
            producer.produce(topic, b"%d-%d" % (each, number))
        producer.flush()
        (producer.abort_transaction if each % 2 else producer.commit_transaction)(30)
    eventually(lambda: kafka.end_offsets(topic)[0] == before + 2 * rounds * (10 + 1))
    return sorted(f"{each}-{number}" for each in range(0, 2 * rounds, 2) for number in range(10))


def test_aborted_messages_are_not_handled_and_committed_reaches_the_end(
    scenario: Scenario, kafka: KafkaServer
) -> None:
    scenario.create_topic()
    expected = in_transactions(kafka, scenario.topic, 10)
    scenario.app(DONE)
    scenario.config({"format": "raw"})
    daemon = scenario.start()
    scenario.wait_for_settled()
    assert notes(scenario) == expected
    assert kafka.lag(scenario.group, scenario.topic) == 0
    expected += in_transactions(kafka, scenario.topic, 2)
    scenario.wait_for_settled()
    assert notes(scenario) == sorted(expected)
    daemon.stop()


def test_a_compacted_topic_is_read_over_its_gaps_to_the_end(scenario: Scenario, kafka: KafkaServer) -> None:
    scenario.create_topic(
        cleanup__policy="compact", segment__ms=100, max__compaction__lag__ms=200, delete__retention__ms=0,
        min__cleanable__dirty__ratio=0.01,
    )  # fmt: skip
    scenario.produce((b"k%d" % (number % 5), b"%d" % number) for number in range(500))
    eventually(lambda: compacted(scenario, kafka), 60.0)
    scenario.app(DONE)
    scenario.config({"format": "raw"})
    daemon = scenario.start()
    scenario.wait_for_settled()
    assert len(scenario.offsets()) < 500, "the topic has gaps"
    assert {"495", "496", "497", "498", "499"} <= set(notes(scenario))
    assert not scenario.repeats()
    assert kafka.lag(scenario.group, scenario.topic) == 0
    daemon.stop()


def compacted(scenario: Scenario, kafka: KafkaServer) -> bool:
    """Has the cleaner been there? Each look rolls a segment, so that it has something to clean."""
    scenario.produce([(b"roll", b"roll")])
    logs = kafka.directory / "data" / f"{scenario.topic}-0"
    return sum(path.stat().st_size for path in logs.glob("*.log")) < 3000


def test_a_pattern_takes_topics_that_are_created_later(scenario: Scenario, kafka: KafkaServer) -> None:
    scenario.app(DONE)
    early, later = f"{scenario.topic}-early", f"{scenario.topic}-later"
    kafka.create_topic(early)
    kafka.produce(early, [b"early"] * 50)
    scenario.config({"format": "raw", "topics": [f"^{scenario.topic}-.*"]})
    daemon = scenario.start()
    scenario.wait_for("done", 50)
    kafka.create_topic(later)
    kafka.produce(later, [b"later"] * 50)
    scenario.wait_for("done", 100, MET_S)
    for topic in (early, later):
        scenario.wait_for_settled(topic=topic)
        assert not scenario.missing(topic=topic)
    assert not scenario.repeats()
    daemon.stop()


def test_routes_on_two_clusters_each_read_theirs_under_groups_of_their_own(
    scenario: Scenario, kafka: KafkaServer, make_kafka: Callable[..., KafkaServer]
) -> None:
    other = make_kafka()
    for server, letter in ((kafka, b"a"), (other, b"b")):
        server.create_topic(scenario.topic, 2)
        server.produce(scenario.topic, [letter] * 100)
    scenario.app("""
        @app.route("r")
        def here(value: bytes, message: Message) -> None:
            tell("here", message, note=value.decode())

        @app.route("s")
        def there(value: bytes, message: Message) -> None:
            tell("there", message, note=value.decode())

        @app.route("again")
        def again(value: bytes, message: Message) -> None:
            tell("again", message, note=value.decode())
    """)
    route = {"topics": [scenario.topic], "order": "none", "handlers": 1, "format": "raw"}
    groups = {"r": scenario.group, "s": f"{scenario.group}-s", "again": f"{scenario.group}-again"}
    there = {"bootstrap.servers": other.bootstrap}
    scenario.config(
        routes={
            name: {**route, "kafka": {"group.id": group, **(there if name == "s" else {})}}
            for name, group in groups.items()
        }
    )
    daemon = scenario.start()
    for event, letter in (("here", "a"), ("there", "b"), ("again", "a")):
        assert [one.note for one in scenario.wait_for(event, 100)] == [letter] * 100
    for server, name in ((kafka, "r"), (other, "s"), (kafka, "again")):
        eventually(lambda: server.lag(groups[name], scenario.topic) == 0)  # noqa: B023
    assert other.committed(groups["r"], scenario.topic) == {}
    daemon.stop()
