"""Handlers that send: each message's output is in Kafka before the message counts as done, whatever dies."""

import signal
from collections import Counter

import pytest

from support import signals
from support.kafka_server import KafkaServer
from support.scenario import Scenario
from support.topic_contents import contents, values
from support.waiting import eventually

COUNT = 3000
SYNC = """
    out = app.producer("out")

    @app.route("r")
    def handle(number: int, message: Message) -> None:
        out.send({topic!r}, number * 2, message.key)
        tell("done", message)
"""
ASYNC = SYNC.replace("def handle", "async def handle")


def set_up(scenario: Scenario, app: str = SYNC, route: dict[str, object] | None = None) -> str:
    """The app and its config; the name of the topic that it sends to."""
    output = scenario.kafka.create_topic(partitions=2)
    scenario.app(app.format(topic=output))
    scenario.config(route, producers={"out": {}})
    return output


def numbers(scenario: Scenario, output: str) -> Counter[int]:
    return Counter(int(value or b"") for value in values(scenario.kafka, output))


@pytest.mark.parametrize("app", [SYNC, ASYNC], ids=["sync", "async"])
@pytest.mark.parametrize("order", ["none", "key", "partition"])
def test_every_message_has_its_output_once(scenario: Scenario, app: str, order: str) -> None:
    count = COUNT if order != "partition" else COUNT // 10
    output = set_up(scenario, app, {"order": order})
    scenario.create_topic(2)
    scenario.produce({"value": str(n), "key": f"k{n % 50}", "partition": n % 2} for n in range(count))
    daemon = scenario.start()
    scenario.wait_for_settled()
    assert numbers(scenario, output) == Counter({number * 2: 1 for number in range(count)})
    daemon.stop()


def test_with_order_key_the_output_of_a_key_is_in_its_order(scenario: Scenario) -> None:
    output = set_up(scenario, SYNC, {"order": "key"})
    scenario.create_topic(2)
    scenario.produce({"value": str(n), "key": f"k{n % 20}", "partition": n % 2} for n in range(COUNT))
    daemon = scenario.start()
    scenario.wait_for_settled()
    by_key: dict[object, list[int]] = {}
    for one in contents(scenario.kafka, output):
        by_key.setdefault(one.key(), []).append(int(one.value() or b""))
    assert len(by_key) == 20
    assert all(sent == sorted(sent) for sent in by_key.values())
    daemon.stop()


@pytest.mark.parametrize("app", [SYNC, ASYNC], ids=["sync", "async"])
def test_handlers_that_are_killed_lose_nothing_that_they_sent_or_should_have(
    scenario: Scenario, app: str
) -> None:
    output = set_up(scenario, app)
    scenario.produce_numbers(COUNT)
    daemon = scenario.start()
    for done in (300, 900, 1500):
        scenario.wait_for("done", done)
        # For a moment after the last kill there may be none.
        signals.send(eventually(lambda: next(iter(daemon.children("handler").values()), 0)), signal.SIGKILL)
    scenario.wait_for_settled()
    assert set(numbers(scenario, output)) == {number * 2 for number in range(COUNT)}
    assert scenario.dead() == []
    daemon.stop()


def test_a_daemon_that_is_killed_comes_back_and_nothing_is_missing(scenario: Scenario) -> None:
    output = set_up(scenario)
    scenario.produce_numbers(COUNT)
    first = scenario.start()
    scenario.wait_for("done", 500)
    first.kill()
    second = scenario.start()
    scenario.wait_for_settled()
    assert set(numbers(scenario, output)) == {number * 2 for number in range(COUNT)}
    second.stop()


def test_a_stop_delivers_what_calls_have_sent(scenario: Scenario) -> None:
    output = set_up(scenario)
    scenario.produce_numbers(COUNT)
    daemon = scenario.start()
    scenario.wait_for("done", 200)
    daemon.stop()
    committed = scenario.kafka.committed(scenario.group, scenario.topic)[0]
    assert committed > 0
    assert {number * 2 for number in range(committed)} <= set(numbers(scenario, output))


def test_while_the_output_is_away_nothing_is_committed_and_it_goes_on_by_itself(
    scenario: Scenario, own_kafka: KafkaServer
) -> None:
    output = own_kafka.create_topic()
    scenario.app(SYNC.format(topic=output))
    scenario.config(producers={"out": {"kafka": {"bootstrap.servers": own_kafka.bootstrap}}})
    scenario.produce_numbers(100)
    daemon = scenario.start()
    scenario.wait_for_settled()
    own_kafka.stop()
    scenario.produce_numbers(100)
    scenario.wait_for("done", 200)
    eventually(lambda: daemon.log("producer has trouble with Kafka"), 30.0, "the trouble is said")
    assert scenario.kafka.committed(scenario.group, scenario.topic) == {0: 100}
    own_kafka.start()
    scenario.wait_for_settled()
    assert Counter(int(value or b"") for value in values(own_kafka, output)) == Counter(
        {number * 2: 2 for number in range(100)}
    )
    assert scenario.dead() == []
    daemon.stop()


def test_a_message_whose_output_is_too_large_is_dead_with_the_reason(scenario: Scenario) -> None:
    app = SYNC.replace("number * 2", '"x" * 2_000_000 if number == 50 else number * 2')
    output = set_up(scenario, app, {"retry": {"attempts": 1}})
    scenario.produce_numbers(100)
    daemon = scenario.start()
    [entry] = scenario.wait_for_dead(1)
    scenario.wait_for_settled()
    assert entry["offset"] == 50
    assert entry["error_class"] == "ringmain.DeliveryFailed"
    assert "is too large" in entry["error_message"]
    assert output in entry["error_message"]
    assert set(numbers(scenario, output)) == {number * 2 for number in range(100) if number != 50}
    daemon.stop()


def test_a_rebalance_in_the_middle_leaves_no_gap_in_the_output(scenario: Scenario) -> None:
    output = set_up(scenario, SYNC, {"consumers": 1})
    scenario.create_topic(2)
    scenario.produce({"value": str(n), "partition": n % 2} for n in range(COUNT))
    daemon = scenario.start()
    scenario.wait_for("done", 300)
    scenario.config({"consumers": 2}, producers={"out": {}})
    daemon.signal(signal.SIGHUP)
    scenario.wait_for_settled()
    assert set(numbers(scenario, output)) == {number * 2 for number in range(COUNT)}
    daemon.stop()
