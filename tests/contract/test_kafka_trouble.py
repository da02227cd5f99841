"""What a source says of a Kafka that is away, refuses or fences it; it goes on when that is over."""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from ringmain.errors import FatalKafkaError
from ringmain.kafka.properties import Member
from ringmain.kafka.source import KafkaSource
from support.kafka_reader import Reader
from support.kafka_server import KafkaServer
from support.ports import free_ports
from support.waiting import eventually

DEADLINE_S = 40.0
Make = Callable[..., Reader]


@pytest.fixture
def reader() -> Iterator[Make]:
    made: list[Reader] = []

    def make(bootstrap: str, topic: str, membership: str = "dynamic", **more: str) -> Reader:
        properties = {"bootstrap.servers": bootstrap, "group.id": topic, "reconnect.backoff.max.ms": "200"}
        properties |= {name.replace("__", "."): value for name, value in more.items()}
        member = Member("app", "route", "node", 0, membership)
        made.append(Reader(lambda it: KafkaSource(member, [topic], properties, it)))
        return made[-1]

    yield make
    for one in made:
        with contextlib.suppress(FatalKafkaError):
            one.close()


def test_a_kafka_that_was_never_there_is_said(reader: Make) -> None:
    (port,) = free_ports(1)
    one = reader(f"127.0.0.1:{port}", "topic")
    problem = eventually(one.until(lambda: one.source.problem), DEADLINE_S)
    assert f"Kafka at 127.0.0.1:{port} does not answer" in str(problem)


def test_a_name_without_address_is_said(reader: Make) -> None:
    one = reader("no-such-host.invalid:9092", "topic")
    problem = eventually(one.until(lambda: one.source.problem), DEADLINE_S)
    assert "no-such-host.invalid:9092" in str(problem)


def test_a_topic_that_does_not_exist_is_said_until_it_does(kafka: KafkaServer, reader: Make) -> None:
    missing = f"{kafka.create_topic()}-missing"
    one = reader(kafka.bootstrap, missing, topic__metadata__refresh__interval__ms="200")
    problem = eventually(one.until(lambda: one.source.problem), DEADLINE_S)
    assert "does not exist" in str(problem)
    assert missing in str(problem)
    kafka.create_topic(missing)
    eventually(one.until(lambda: one.queues and one.source.problem is None), DEADLINE_S)


def test_a_kafka_that_goes_away_is_said_and_reading_goes_on_when_it_is_back(
    own_kafka: KafkaServer, reader: Make
) -> None:
    topic = own_kafka.create_topic()
    own_kafka.produce(topic, [b"before"] * 5)
    one = reader(own_kafka.bootstrap, topic)
    eventually(one.has(5), DEADLINE_S)
    one.source.commit({(topic, 0): 5})
    eventually(one.until(lambda: ({(topic, 0): 5}, "") in one.answers), DEADLINE_S)
    own_kafka.stop()
    problem = eventually(one.until(lambda: one.source.problem), DEADLINE_S)
    assert own_kafka.bootstrap in str(problem)
    own_kafka.start()
    own_kafka.produce(topic, [b"after"] * 5)
    eventually(one.has(10), DEADLINE_S)
    assert [m.offset for m in one.messages] == list(range(10))
    eventually(one.until(lambda: one.source.problem is None), DEADLINE_S)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_second_process_of_the_same_seat_ends_one_of_them(
    kafka: KafkaServer, reader: Make, protocol: str
) -> None:
    topic = kafka.create_topic()
    one = reader(kafka.bootstrap, topic, "static", group__protocol=protocol)
    eventually(one.until(lambda: one.queues), DEADLINE_S)
    two = reader(kafka.bootstrap, topic, "static", group__protocol=protocol)

    def fenced() -> bool:
        try:
            one.turn(0.01)
            two.turn(0.01)
        except FatalKafkaError as fatal:
            return "app.route.node.0" in str(fatal)
        return False

    eventually(fenced, DEADLINE_S)


def test_a_protocol_that_the_broker_does_not_speak_is_said(kafka: KafkaServer, reader: Make) -> None:
    topic = kafka.create_topic()
    one = reader(
        kafka.bootstrap, topic, security__protocol="sasl_plaintext",
        sasl__mechanism="PLAIN", sasl__username="u", sasl__password="secret",
    )  # fmt: skip
    problem = str(eventually(one.until(lambda: one.source.problem), DEADLINE_S))
    assert kafka.bootstrap in problem
    assert "secret" not in problem
