"""What is wrong with a daemon on real servers is in its picture, with its reason, soon after it happened.

Five seconds is the promise; deadlines here leave room for a machine that does other things as well.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from ringmain.control import Node, Unwell
from support import signals
from support.kafka_server import KafkaServer
from support.leftovers import Leftovers
from support.operator import PATIENCE_S, Operator
from support.rabbit_server import RabbitServer
from support.scenario import Scenario
from support.waiting import eventually, never

SOON_S = 40.0
WHILE_S = 6.0

WAITS = """
    @app.route("r")
    def handle(number: int, message: Message) -> None:
        if number >= 1000:
            wait_at("door", message)
        tell("done", message)
"""


def says(operator: Operator, words: str, ready: bool = False, deadline_s: float = SOON_S) -> Unwell:
    """Wait for a reason with these words."""

    def found() -> Unwell | None:
        reasons = operator.look().reasons
        return next((one for one in reasons if words in one.reason and one.ready is ready), None)

    return eventually(found, deadline_s, f"a reason with {words!r}: {operator.look().reasons}")


def is_well(operator: Operator) -> Node:
    """Wait until nothing is wrong."""

    def well() -> Node:
        node = operator.look()
        assert node.ready, node.reasons
        return node

    return eventually(well, PATIENCE_S)


def at_work(scenario: Scenario, partitions: int = 1) -> Operator:
    """Ten messages done, everything well."""
    operator = Operator(scenario)
    scenario.start().wait_until_at_work()
    scenario.wait_for("done", 10)
    operator.wait_until_owned(partitions)
    is_well(operator)
    return operator


@pytest.fixture
def waiting(scenario: Scenario) -> Scenario:
    """An app whose handlers wait at a door for messages from 1000 on."""
    scenario.app(WAITS)
    scenario.config({"timeout_s": 120})
    scenario.produce_numbers(10)
    return scenario


def test_handlers_that_all_hang_are_a_frozen_pool_until_they_go_on(waiting: Scenario) -> None:
    operator = at_work(waiting)
    waiting.produce([b"1000"] * 20)
    reason = says(operator, "frozen: no call has ended")
    assert (reason.route, "2 of 2 handlers are in a call" in reason.reason) == ("r", True)
    waiting.open_gate("door")
    waiting.wait_for_settled()
    is_well(operator)


def test_one_slow_call_with_nothing_behind_it_is_no_trouble(waiting: Scenario) -> None:
    operator = at_work(waiting)
    waiting.produce([b"1000"])
    waiting.wait_for("at door")
    never(lambda: not operator.look().ready, WHILE_S)
    waiting.open_gate("door")
    waiting.wait_for_settled()


def test_an_offset_that_does_not_move_ages_and_the_client_tells_of_itself(waiting: Scenario) -> None:
    operator = at_work(waiting)
    assert eventually(lambda: operator.partition(0).committed == 10, PATIENCE_S)
    assert operator.partition(0).commit_age_s == 0
    waiting.produce([b"1000"])
    waiting.wait_for("at door")
    eventually(lambda: operator.partition(0).commit_age_s > 2.0, PATIENCE_S)
    waiting.open_gate("door")
    waiting.wait_for_settled()
    eventually(lambda: operator.partition(0).commit_age_s == 0, PATIENCE_S)
    clients = eventually(lambda: [ring.client for ring in operator.look().rings if ring.client], PATIENCE_S)
    assert all(client.connections and client.received_bytes for client in clients)


def test_handlers_that_are_stopped_by_a_signal_are_named(waiting: Scenario) -> None:
    operator = at_work(waiting)
    handlers = waiting.daemons[0].children("handler").values()
    for pid in handlers:
        signals.send(pid, signal.SIGSTOP)
    try:
        says(operator, "all 2 handlers are suspended")
    finally:
        for pid in handlers:
            signals.send(pid, signal.SIGCONT)
    is_well(operator)


def test_a_feeder_that_is_stopped_by_a_signal_is_named(waiting: Scenario) -> None:
    operator = at_work(waiting)
    title, pid = next(iter(waiting.daemons[0].kafka_feeders().items()))
    signals.send(pid, signal.SIGSTOP)
    try:
        assert says(operator, "no sign of life").subject == title
    finally:
        signals.send(pid, signal.SIGCONT)
    is_well(operator)


def breaks_at_its_start(scenario: Scenario, deed: str) -> Operator:
    """A node at work whose handlers have just been killed, and do this `deed` in on_start from now on."""
    scenario.app(f"""
        @app.on_start
        def begin() -> None:
            if is_open("broken"):
                {deed}

        @app.route("r")
        def handle(number: int, message: Message) -> None:
            tell("done", message)
    """)
    scenario.produce_numbers(10)
    operator = at_work(scenario)
    scenario.open_gate("broken")
    for pid in scenario.daemons[0].children("handler").values():
        signals.send(pid, signal.SIGKILL)
    return operator


def test_a_code_that_crashes_at_its_start_is_named_with_how_it_ended(scenario: Scenario) -> None:
    operator = breaks_at_its_start(scenario, "os._exit(9)")
    says(operator, "no handler is alive")
    assert "exited with code 9" in says(operator, "crash loop", deadline_s=PATIENCE_S).reason
    lost = operator.look().restarts["handler r crashed"]
    assert lost >= 2


def test_an_app_that_cannot_start_is_named_with_what_its_hook_said(scenario: Scenario) -> None:
    operator = breaks_at_its_start(scenario, 'raise ConnectionError("db:5432 refuses")')
    said = says(operator, "db:5432 refuses", deadline_s=PATIENCE_S).reason
    assert "on_start failed: ConnectionError" in said


def test_lag_is_true_at_work_idle_and_behind(waiting: Scenario) -> None:
    operator = at_work(waiting)
    idle = eventually(lambda: (one := operator.partition(0)).committed == one.end == 10 and one, SOON_S)
    assert (idle.position, idle.end, idle.lag, idle.lag_s, idle.eta_s, idle.ahead) == (10, 10, 0, 0.0, 0.0, 0)
    assert (idle.topic, idle.owner.startswith("feeder r/"), idle.state) == (waiting.topic, True, "running")
    waiting.produce([b"1000"] * 30)
    behind = eventually(lambda: (one := operator.partition(0)).lag == 30 and one, SOON_S)
    assert (behind.end, behind.committed) == (40, 10)
    says(operator, "stands still")
    assert operator.partition(0).state == "standing"
    waiting.open_gate("door")
    level = eventually(lambda: (one := operator.partition(0)).lag == 0 and one, SOON_S)
    assert (level.position, level.committed, level.end) == (40, 40, 40)
    is_well(operator)


def test_rings_and_rates_are_seen_at_work(waiting: Scenario) -> None:
    operator = at_work(waiting)
    waiting.produce_numbers(500)
    waiting.wait_for("done", 510)
    eventually(lambda: operator.look().pools[0].rates_per_s["done"] > 0, SOON_S)
    waiting.produce([b"1000"] * 20)
    full = eventually(lambda: [ring for ring in operator.look().rings if ring.used >= 20], SOON_S)
    assert full[0].slots >= full[0].used
    assert 0 < full[0].used_ratio <= 1
    assert operator.look().pools[0].outcomes["done"] == 510
    waiting.open_gate("door")
    waiting.wait_for_settled()


def test_a_group_with_a_spare_is_ready_and_says_standby(waiting: Scenario) -> None:
    waiting.config({"consumers": 2})
    operator = at_work(waiting)
    spare = says(operator, "standby", ready=True, deadline_s=PATIENCE_S)
    assert spare.subject.startswith("feeder r/")
    is_well(operator)


def test_a_member_that_another_has_fenced_is_named_with_the_clients_word(waiting: Scenario) -> None:
    operator = at_work(waiting)
    properties = {
        "bootstrap.servers": waiting.kafka.bootstrap,
        "group.id": waiting.group,
        "group.instance.id": f"{waiting.group}.r.here.0",
        "partition.assignment.strategy": "cooperative-sticky",
    }
    rival = Consumer(properties)
    rival.subscribe([waiting.topic])
    try:

        def fenced() -> Unwell | None:
            rival.poll(0.1)
            found = (one for one in operator.look().reasons if "it gave up: fatal: " in one.reason)
            return next(found, None)

        reason = eventually(fenced, PATIENCE_S)
        assert (reason.route, reason.subject, reason.ready) == ("r", "feeder r/0", False)
        assert "fenced" in reason.reason
    finally:
        rival.close()
    is_well(operator)


# -- servers that go away ----------------------------------------------------------------------------------


@pytest.fixture
def on_own_kafka(leftovers: Leftovers, own_kafka: KafkaServer, tmp_path: Path) -> Iterator[Scenario]:
    """On a Kafka that the test may stop and that outlives the daemon."""
    made = Scenario(tmp_path / "scenario", own_kafka, leftovers)
    made.app(WAITS)
    made.produce_numbers(10)
    yield made
    own_kafka.start()
    leftovers.allow_process(own_kafka.pid)
    made.close()


def test_a_kafka_that_is_gone_is_said_by_the_feeder_and_forgotten_when_it_is_back(
    on_own_kafka: Scenario, own_kafka: KafkaServer
) -> None:
    operator = at_work(on_own_kafka)
    own_kafka.stop()
    reason = says(operator, "does not answer")
    assert (reason.route, reason.subject.startswith("feeder r/")) == ("r", True)
    own_kafka.start()
    is_well(operator)


@pytest.fixture
def on_own_rabbit(
    leftovers: Leftovers, kafka: KafkaServer, own_rabbit: RabbitServer, tmp_path: Path
) -> Iterator[Scenario]:
    """On a RabbitMQ that the test may stop and that outlives the daemon."""
    made = Scenario(tmp_path / "scenario", kafka, leftovers)
    made.config(queues={"backend": "rabbitmq", "url": own_rabbit.url})
    made.app(WAITS)
    made.produce_numbers(10)
    yield made
    own_rabbit.start()
    leftovers.allow_process(own_rabbit.pid)
    leftovers.allow_process(own_rabbit.epmd_pid)
    made.close()


def test_a_rabbitmq_that_is_gone_is_said_by_the_courier_and_forgotten_when_it_is_back(
    on_own_rabbit: Scenario, own_rabbit: RabbitServer
) -> None:
    operator = at_work(on_own_rabbit)
    own_rabbit.stop_app()
    assert says(operator, "the queues are away").subject.startswith(("courier", "feeder r/"))
    assert operator.look().queues_away
    own_rabbit.start_app()
    eventually(lambda: not operator.look().queues_away, PATIENCE_S)
    is_well(operator)
