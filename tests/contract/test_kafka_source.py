"""What a Kafka source promises its feeder, over both ways of reading and both group protocols."""

import select
import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Producer, TopicPartition

from ringmain.errors import FatalKafkaError
from ringmain.kafka import properties
from ringmain.kafka.outlook import ANSWER_S
from ringmain.kafka.properties import Member
from ringmain.kafka.source import CLOSE_S, KafkaSource
from support.kafka_reader import Reader
from support.kafka_server import KafkaServer
from support.waiting import eventually

DEADLINE_S = 30.0
Make = Callable[..., Reader]


@pytest.fixture(params=["direct", "copied"])
def way(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=["classic", "consumer"])
def protocol(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def reader(kafka: KafkaServer, way: str) -> Iterator[Make]:
    """Makes readers; what it made is closed at the end."""
    made: list[Reader] = []

    def make(topics: list[str], group: str, seat: int = 0, membership: str = "dynamic", **kafka_) -> Reader:
        properties = {"bootstrap.servers": kafka.bootstrap, "group.id": group}
        properties |= {name.replace("__", "."): value for name, value in kafka_.items()}
        member = Member("app", "route", "node", seat, membership)
        one = Reader(lambda it: KafkaSource(member, topics, properties, it, direct=way == "direct"))
        assert one.source.slow_because == "" or way == "copied"
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


def values(reader: Reader) -> list[bytes | None]:
    return [one.value for one in reader.messages]


def test_a_message_comes_once_with_all_it_has(kafka: KafkaServer, reader: Make) -> None:
    topic = kafka.create_topic()
    headers = [("a", b"1"), ("b", None), ("a", b""), ("ü", b"\x00\xff")]
    kafka.produce(
        topic,
        [
            {"key": b"k", "value": b"v", "headers": headers, "timestamp": 1234567890123},
            {"key": None, "value": b"no key"},
            {"key": b"tombstone", "value": None},
            {"key": b"", "value": b""},
        ],
    )
    one = reader([topic], topic)
    eventually(one.has(4), DEADLINE_S)
    first = one.messages[0]
    assert (first.key, first.value, first.headers) == (b"k", b"v", headers)
    assert (first.timestamp_ms, first.topic, first.partition) == (1234567890123, topic, 0)
    assert [(m.key, m.value, m.offset) for m in one.messages[1:]] == [
        (None, b"no key", 1),
        (b"tombstone", None, 2),
        (b"", b"", 3),
    ]
    assert all(m.headers == [] for m in one.messages[1:])
    assert one.starts == {(topic, 0): 0}


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_headers_come_whatever_the_value_is(kafka: KafkaServer, reader: Make, compression: str) -> None:
    topic = kafka.create_topic()
    shapes = [
        (value, headers)
        for value in (b"", None, b"v", b"\0", b"v\0", b"v" * 300)
        for headers in ([("a", b"1"), ("b", None)], [("", b"")], [])
    ]
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "compression.type": compression})
    for value, headers in shapes:
        producer.produce(topic, value, headers=headers or None, partition=0)
    producer.flush(DEADLINE_S)
    one = reader([topic], topic)
    eventually(one.has(len(shapes)), DEADLINE_S)
    assert [(m.value, m.headers) for m in one.messages] == shapes


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_compression_is_read(kafka: KafkaServer, reader: Make, compression: str) -> None:
    topic = kafka.create_topic()
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "compression.type": compression})
    sent = [b"%d" % n * 50 for n in range(300)]
    for value in sent:
        producer.produce(topic, value)
    producer.flush(DEADLINE_S)
    one = reader([topic], topic)
    eventually(one.has(300), DEADLINE_S)
    assert values(one) == sent


def test_aborted_transactions_leave_gaps_and_the_end_is_told(kafka: KafkaServer, reader: Make) -> None:
    topic = kafka.create_topic()
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic})
    producer.init_transactions()
    for number, commit in enumerate([True, False, True, False]):
        producer.begin_transaction()
        for index in range(5):
            producer.produce(topic, b"%d.%d" % (number, index))
        producer.flush(DEADLINE_S)
        _ = producer.commit_transaction() if commit else producer.abort_transaction()
    one = reader([topic], topic)
    end = 4 * (5 + 1)
    # Kafka answers a commit and an abort before their markers are in the log.
    eventually(lambda: kafka.end_offsets(topic) == {0: end}, DEADLINE_S)
    eventually(one.until(lambda: one.ends.get((topic, 0)) == end), DEADLINE_S)
    assert values(one) == [b"%d.%d" % (number, index) for number in (0, 2) for index in range(5)]
    assert [m.offset for m in one.messages] == [*range(5), *range(12, 17)]
    eventually(one.until(lambda: one.source.end_offsets() == {(topic, 0): end}), DEADLINE_S)


@pytest.mark.parametrize("way", ["direct"])  # what copies goes through confluent_kafka: one call at a time
def test_the_loop_goes_round_while_the_broker_holds_back_its_answer(kafka: KafkaServer, reader: Make) -> None:
    """A question stands behind the fetch on its connection, which nothing ends while all is idle."""
    held_s = 6.0
    topic = kafka.create_topic()
    one = reader([topic], topic, fetch__wait__max__ms=int(held_s * 1000))
    eventually(one.until(lambda: one.starts), DEADLINE_S)
    began_s, longest_s = time.monotonic(), 0.0
    while one.source.end_offsets() != {(topic, 0): 0}:
        turn_s = time.monotonic()
        assert turn_s - began_s < DEADLINE_S
        one.source.poll()
        longest_s = max(longest_s, time.monotonic() - turn_s)
        select.select([one.source], [], [], 0.01)
    took_s = time.monotonic() - began_s
    assert took_s > 1.0, "the answer was not held back: this shows nothing"
    assert longest_s < took_s / 2


def test_the_starting_position_is_committed_at_the_first_assignment(
    kafka: KafkaServer, reader: Make, protocol: str
) -> None:
    topic = kafka.create_topic(partitions=2)
    kafka.produce(topic, [b"before"] * 3, partition=0)
    one = reader([topic], topic, auto__offset__reset="latest", group__protocol=protocol)
    eventually(one.until(lambda: one.answers), DEADLINE_S)
    assert one.starts == {(topic, 0): 3, (topic, 1): 0}
    assert one.answers == [({(topic, 0): 3, (topic, 1): 0}, "")]
    assert kafka.committed(topic, topic) == {0: 3, 1: 0}


def test_a_restart_goes_on_where_it_committed(kafka: KafkaServer, reader: Make, protocol: str) -> None:
    topic = kafka.create_topic()
    kafka.produce(topic, [b"%d" % n for n in range(10)])
    one = reader([topic], topic, group__protocol=protocol)
    eventually(one.has(10), DEADLINE_S)
    one.source.commit({(topic, 0): 4})
    eventually(one.until(lambda: ({(topic, 0): 4}, "") in one.answers), DEADLINE_S)
    one.position[topic, 0] = 4
    one.close()
    assert one.revocations == [([(topic, 0)], False)]
    two = reader([topic], topic, group__protocol=protocol)
    eventually(two.has(6), DEADLINE_S)
    assert two.starts == {(topic, 0): 4}
    assert values(two) == [b"%d" % n for n in range(4, 10)]


def test_a_pattern_meets_topics_that_come_later(kafka: KafkaServer, reader: Make) -> None:
    first = kafka.create_topic()
    pattern = f"^{first}.*"
    one = reader([pattern], first, topic__metadata__refresh__interval__ms="200")
    eventually(one.until(lambda: one.queues), DEADLINE_S)
    second = kafka.create_topic(f"{first}-later")
    kafka.produce(second, [b"late"])
    eventually(one.has(1), DEADLINE_S)
    assert one.messages[0].topic == second


def test_a_paused_partition_gives_nothing_and_loses_nothing(kafka: KafkaServer, reader: Make) -> None:
    topic = kafka.create_topic(partitions=2)
    kafka.produce(topic, [b"0"] * 5, partition=0)
    kafka.produce(topic, [b"1"] * 5, partition=1)
    one = reader([topic], topic)
    eventually(one.has(10), DEADLINE_S)
    one.source.pause(topic, 0)
    kafka.produce(topic, [b"0"] * 5, partition=0)
    kafka.produce(topic, [b"1"] * 5, partition=1)
    eventually(one.has(15), DEADLINE_S)
    eventually(one.until(lambda: one.source.end_offsets() == {(topic, 0): 10, (topic, 1): 10}), DEADLINE_S)
    assert values(one)[10:] == [b"1"] * 5
    one.source.resume(topic, 0)
    eventually(one.has(20), DEADLINE_S)
    assert [m.offset for m in one.messages if m.partition == 0] == list(range(10))


def test_what_is_not_drained_waits_and_the_ends_stay_true(kafka: KafkaServer, reader: Make) -> None:
    topic = kafka.create_topic()
    kafka.produce(topic, [b"x" * 100] * 20000)
    one = reader([topic], topic, queued__min__messages="1000")
    one.draining = False
    eventually(one.until(lambda: one.source.end_offsets() == {(topic, 0): 20000}), DEADLINE_S)
    kafka.produce(topic, [b"y"] * 10)
    eventually(one.until(lambda: one.source.end_offsets() == {(topic, 0): 20010}), DEADLINE_S)
    one.draining = True
    eventually(one.has(20010), DEADLINE_S)
    assert [m.offset for m in one.messages] == list(range(20010))


def test_a_seek_goes_back_and_forth(kafka: KafkaServer, reader: Make) -> None:
    topic = kafka.create_topic()
    kafka.produce(topic, [{"value": b"%d" % n, "timestamp": 1000 + n} for n in range(10)])
    one = reader([topic], topic)
    eventually(one.has(10), DEADLINE_S)
    one.source.seek(topic, 0, 7)
    eventually(one.has(13), DEADLINE_S)
    assert values(one)[10:] == [b"7", b"8", b"9"]
    offsets = [one.source.offset_for(topic, 0, when, 5.0) for when in ("earliest", "latest", 1004, 99999)]
    assert offsets == [0, 10, 4, 10]


def test_it_closes_while_fetching_with_messages_unread(
    kafka: KafkaServer, reader: Make, protocol: str
) -> None:
    topic = kafka.create_topic(partitions=3)
    for partition in range(3):
        kafka.produce(topic, [b"x" * 100] * 5000, partition=partition)
    one = reader([topic], topic, group__protocol=protocol)
    eventually(one.until(lambda: len(one.queues) == 3), DEADLINE_S)
    one.draining = False
    queue = one.queues[topic, 0]
    one.turn()
    queue.take(1)
    one.close()
    assert queue.closed
    with pytest.raises(RuntimeError, match="closed"):
        queue.take(1)


def test_a_close_that_the_broker_does_not_answer_ends_all_the_same(own_kafka: KafkaServer) -> None:
    topic = own_kafka.create_topic()
    properties = {"bootstrap.servers": own_kafka.bootstrap, "group.id": topic}
    member = Member("app", "route", "node", 0, "dynamic")
    one = Reader(lambda it: KafkaSource(member, [topic], properties, it))
    eventually(one.until(lambda: (topic, 0) in one.queues), DEADLINE_S)
    own_kafka.freeze()
    one.position.clear()
    one.source.commit({(topic, 0): 0})
    began_s = time.monotonic()
    left = one.source.close()
    took_s = time.monotonic() - began_s
    own_kafka.thaw()
    assert not left
    assert took_s < CLOSE_S + ANSWER_S + 10, "a client would wait for its commit for a minute"


def test_twenty_rebalances_lose_nothing(kafka: KafkaServer, reader: Make, protocol: str) -> None:
    topic = kafka.create_topic(partitions=4)
    brisk = {"group__protocol": protocol}
    if protocol == "classic":
        brisk["heartbeat__interval__ms"] = "100"  # members hear of a rebalance by heartbeat
    steady = reader([topic], topic, **brisk)
    eventually(steady.until(lambda: len(steady.queues) == 4), DEADLINE_S)
    readers, sent = [steady], 0
    for turn in range(10):
        for partition in range(4):
            kafka.produce(topic, [b"%d/%d" % (partition, sent + n) for n in range(50)], partition=partition)
        sent += 50
        guest = reader([topic], topic, seat=1 + turn, **brisk)
        readers.append(guest)

        def shared(guest: Reader = guest) -> bool:
            steady.turn(0.01)
            guest.turn(0.01)
            return len(guest.queues) == 2 == len(steady.queues)

        eventually(shared, DEADLINE_S)
        guest.close()
        eventually(steady.until(lambda: len(steady.queues) == 4), DEADLINE_S)

    def seen() -> set[tuple[int, int]]:
        return {(m.partition, m.offset) for one in readers for m in one.messages}

    wanted = {(partition, offset) for partition in range(4) for offset in range(sent)}
    eventually(steady.until(lambda: seen() == wanted), DEADLINE_S)
    # Everything was committed at each handover, so nothing is seen twice either.
    assert sum(len(one.messages) for one in readers) == len(wanted)
    assert len(steady.revocations) == 10


def test_eager_assignors_work_too(kafka: KafkaServer, reader: Make) -> None:
    topic = kafka.create_topic(partitions=2)
    kafka.produce(topic, [b"a"] * 10, partition=0)
    kafka.produce(topic, [b"b"] * 10, partition=1)
    one = reader([topic], topic, partition__assignment__strategy="range")
    eventually(one.has(20), DEADLINE_S)
    two = reader([topic], topic, seat=1, partition__assignment__strategy="range")

    def shared() -> bool:
        one.turn(0.01)
        two.turn(0.01)
        return len(one.queues) == 1 == len(two.queues)

    eventually(shared, DEADLINE_S)
    assert len(one.messages) == 20
    assert two.messages == []
    assert one.revocations == [([(topic, 0), (topic, 1)], False)]


def test_a_retired_member_gives_its_partitions_away(kafka: KafkaServer, reader: Make, protocol: str) -> None:
    topic = kafka.create_topic(partitions=2)
    membership = "static" if protocol == "consumer" else "dynamic"
    one = reader([topic], topic, membership=membership, group__protocol=protocol)
    eventually(one.until(lambda: len(one.queues) == 2), DEADLINE_S)
    one.source.retire()
    if protocol == "consumer":
        eventually(one.until(lambda: one.source.retired), DEADLINE_S)
    one.close()
    two = reader([topic], topic, seat=1, membership=membership, group__protocol=protocol)
    eventually(two.until(lambda: len(two.queues) == 2), DEADLINE_S)


@pytest.mark.parametrize("membership", ["dynamic", "static"])
def test_a_spare_that_is_closed_leaves_its_group_unless_it_is_static(
    kafka: KafkaServer, reader: Make, protocol: str, membership: str
) -> None:
    topic = kafka.create_topic()
    seats = [reader([topic], topic, seat, membership, group__protocol=protocol) for seat in (0, 1)]

    def owned() -> int:
        for one in seats:
            one.turn()
        return sum(len(one.source.partitions()) for one in seats)

    eventually(lambda: owned() == 1, DEADLINE_S)
    eventually(lambda: owned() and len(kafka.members(topic)) == 2 and kafka.is_stable(topic), DEADLINE_S)
    spare = min(seats, key=lambda one: len(one.source.partitions()))
    assert spare.source.close()
    eventually(lambda: len(kafka.members(topic)) == (1 if membership == "dynamic" else 2), DEADLINE_S)


def test_a_killed_static_member_comes_back_at_once_on_the_classic_protocol(
    kafka: KafkaServer, reader: Make
) -> None:
    topic = kafka.create_topic(partitions=2)
    one = reader([topic], topic, membership="static")
    eventually(one.until(lambda: len(one.queues) == 2), DEADLINE_S)
    again = reader([topic], topic, membership="static")
    eventually(again.until(lambda: len(again.queues) == 2), DEADLINE_S)


def test_an_assignment_that_the_client_refuses_ends_the_process_instead_of_standing_still(
    kafka: KafkaServer, reader: Make
) -> None:
    topic = kafka.create_topic()
    one = reader([topic], topic)
    eventually(one.until(lambda: len(one.queues) == 1), DEADLINE_S)
    # The client has it already, and says so: as near as one can come to an assign() that fails.
    with pytest.raises(FatalKafkaError, match="refuses its assignment"):
        one.source._on_assign(one.source._consumer, [TopicPartition(topic, 0)])


def test_a_large_message_is_read(kafka: KafkaServer, reader: Make) -> None:
    topic = kafka.create_topic(max__message__bytes=20_000_000)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "message.max.bytes": 20_000_000})
    producer.produce(topic, b"x" * 15_000_000)
    producer.flush(DEADLINE_S)
    one = reader([topic], topic)
    eventually(one.has(1), DEADLINE_S)
    assert len(one.messages[0].value or b"") == 15_000_000


def test_the_client_tells_what_it_does(
    kafka: KafkaServer, reader: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    often = {**properties.ALWAYS, "statistics.interval.ms": "100"}
    monkeypatch.setattr(properties, "ALWAYS", often)
    topic = kafka.create_topic()
    kafka.produce(topic, [{"value": b"x" * 1000}] * 100)
    one = reader([topic], topic)
    eventually(one.has(100), DEADLINE_S)

    def told() -> bool:
        one.turn()
        said = one.source.news()
        return said is not None and said.received_bytes > 0 and said.connections > 0 and said.requests > 0

    eventually(told, DEADLINE_S)
