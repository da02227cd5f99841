"""What the scout and `check --connect` are told about a real cluster."""

import pytest
from msgspec.structs import replace

from ringmain.errors import LookupRefused
from ringmain.kafka.lookup import GroupFacts, Lookup, Start, foreigners, live_nodes, shares, unowned
from ringmain.kafka.properties import Member, consumer_properties
from ringmain.kafka.source import KafkaSource
from support.kafka_reader import Reader
from support.kafka_server import KafkaServer
from support.ports import free_ports
from support.waiting import eventually

DEADLINE_S = 20.0


def properties(kafka: KafkaServer, group: str, **more: str) -> dict[str, str]:
    return {"bootstrap.servers": kafka.bootstrap, "group.id": group, **more}


def test_partitions_are_counted_by_name_and_by_pattern(kafka: KafkaServer) -> None:
    topic = kafka.create_topic(partitions=3)
    other = kafka.create_topic(f"{topic}-b", partitions=2)
    lookup = Lookup(properties(kafka, topic))
    assert lookup.partition_counts([topic, "not-there"]) == {topic: 3}
    assert lookup.partition_counts([f"^{topic}-.*"]) == {other: 2}
    lookup.close()
    picky = Lookup(properties(kafka, topic, **{"topic.blacklist": f"nothing,{topic}-[bc]"}))
    assert picky.partition_counts([f"^{topic}"]) == {topic: 3}
    picky.close()


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_members_are_known_by_their_client_ids(kafka: KafkaServer, protocol: str) -> None:
    topic = kafka.create_topic(partitions=2)
    mine = properties(kafka, topic, **{"group.protocol": protocol})
    lookup = Lookup(consumer_properties(Member("app", "r", "scout", 0), mine))
    assert lookup.group() == GroupFacts()
    members = [Member("app", "r", node, 0, "dynamic") for node in ("host-1.example", "host-2")]
    readers = [Reader(lambda it, m=member: KafkaSource(m, [topic], mine, it)) for member in members]

    def joined() -> GroupFacts:
        for one in readers:
            one.turn(0.01)
        assert all(one.queues for one in readers)
        return lookup.group()

    facts = eventually(joined, DEADLINE_S)
    assert facts.protocol == protocol
    assert live_nodes(facts.client_ids, "app", "r") == {"host-1.example", "host-2"}
    assert foreigners(facts.client_ids, "app", "other") == sorted(facts.client_ids)

    def shared_out() -> bool:
        joined()
        owned = shares(lookup.group(), "app", "r")
        assert {node: len(topics.get(topic, ())) for node, topics in owned.items()} == {
            "host-1.example": 1,
            "host-2": 1,
        }
        assert unowned(lookup.group(), {topic: 2}) == []
        return sorted(part for topics in owned.values() for part in topics[topic]) == [0, 1]

    eventually(shared_out, DEADLINE_S)
    more = [(topic, 2)] if protocol == "classic" else []
    assert eventually(lambda: joined().settled and unowned(lookup.group(), {topic: 3}) == more, DEADLINE_S)
    assert unowned(replace(joined(), settled=False), {topic: 3}) == []
    if protocol == "classic":
        assert facts.assignor == "cooperative-sticky"
    for one in readers:
        one.close()
    lookup.close()


def test_starts_are_told_per_partition(kafka: KafkaServer) -> None:
    topic = kafka.create_topic(partitions=2)
    kafka.produce(topic, [b"x"] * 10, partition=0)
    mine = properties(kafka, topic)
    reader = Reader(lambda it: KafkaSource(Member("a", "r", "n", 0, "dynamic"), [topic], mine, it))
    eventually(reader.has(10), DEADLINE_S)
    reader.close()
    lookup = Lookup(mine)
    pairs = [(topic, 0), (topic, 1)]
    assert lookup.starts(pairs) == [Start(topic, 0, 10, 0, 10), Start(topic, 1, 0, 0, 0)]
    assert lookup.end_offsets(pairs) == {(topic, 0): 10, (topic, 1): 0}
    nobody = Lookup(properties(kafka, f"{topic}-nobody"))
    assert nobody.starts(pairs)[0] == Start(topic, 0, None, 0, 10)
    nobody.close()
    lookup.close()


def test_an_offset_that_is_gone_is_called_expired() -> None:
    assert Start("t", 0, 5, 10, 20).expired
    assert Start("t", 0, 25, 10, 20).expired
    assert not Start("t", 0, 10, 10, 20).expired
    assert not Start("t", 0, None, 10, 20).expired


def test_a_cluster_that_is_away_is_an_error_that_says_so() -> None:
    (port,) = free_ports(1)
    lookup = Lookup({"bootstrap.servers": f"127.0.0.1:{port}", "group.id": "g"})
    with pytest.raises(LookupRefused, match=r"does not answer|no answer"):
        lookup.partition_counts(["t"])
    lookup.close()
