"""What operators pause takes nothing, keeps its partitions, survives restarts, and goes on where it was."""

import signal

import pytest

from ringmain.control import Pause, Resume
from support import signals
from support.operator import PATIENCE_S, Operator, kafka_feeders
from support.scenario import Daemon, Scenario, children_are_gone
from support.waiting import eventually, never

PARTITIONS = 2
EACH = 200
NOTHING_S = 1.0

APP = """
    @app.route("r")
    def handle(number: int, message: Message) -> None:
        if message.partition == 1 and message.attempt == 1 and number == -1:
            raise ValueError("once")
        tell("done", message)
"""


def given(scenario: Scenario, **route: object) -> Operator:
    scenario.create_topic(PARTITIONS)
    scenario.app(APP)
    scenario.config({"consumers": 2, "handlers": 2, "retry": {"first_s": 1}, **route})
    return Operator(scenario)


def produce(scenario: Scenario, count: int = EACH) -> None:
    for partition in range(PARTITIONS):
        scenario.produce_numbers(count, partition=partition)


def done_of(scenario: Scenario, partition: int) -> int:
    return len({one.offset for one in scenario.events("done") if one.partition == partition})


def moves(daemon: Daemon) -> int:
    """How often a partition went anywhere: what feeders say, the supervisor hears of it a moment later."""
    lines = [line for event in ("revoked", "lost", "assigned") for line in daemon.log(event)]
    return sum(line["role"] == "feeder" for line in lines)


def test_a_paused_route_begins_nothing_and_goes_on_where_it_was(scenario: Scenario) -> None:
    operator = given(scenario)
    daemon = scenario.start()
    operator.wait_until_owned(PARTITIONS, owners=2)
    before_moves = moves(daemon)
    produce(scenario)
    scenario.wait_for("done", 2 * EACH)
    assert "r is paused" in operator.done(Pause("r", operator="ann", reason="the bank is away")).text
    before = len(scenario.events("done"))
    produce(scenario)
    never(lambda: len(scenario.events("done")) > before, NOTHING_S)
    eventually(lambda: {one.state for one in operator.look().partitions} == {"paused"}, PATIENCE_S)
    eventually(lambda: {one.end for one in operator.look().partitions} == {2 * EACH}, PATIENCE_S)
    [pool] = [pool for pool in operator.look().pools if pool.key == "r"]
    assert [(why.cause, why.operator, why.reason) for why in pool.paused] == [
        ("operator", "ann", "the bank is away")
    ]
    operator.done(Resume("r", operator="bob"))
    scenario.wait_for("done", 4 * EACH)
    scenario.wait_for_settled()
    scenario.assert_each_once()
    assert moves(daemon) == before_moves
    daemon.stop()


def test_a_paused_partition_waits_while_the_other_goes_on(scenario: Scenario) -> None:
    operator = given(scenario)
    daemon = scenario.start()
    operator.wait_until_owned(PARTITIONS, owners=2)
    before_moves = moves(daemon)
    operator.done(Pause("r", partition=0))
    eventually(lambda: operator.partition(0).state == "paused", PATIENCE_S)
    produce(scenario)
    eventually(lambda: done_of(scenario, 1) == EACH, PATIENCE_S)
    never(lambda: done_of(scenario, 0), NOTHING_S)
    eventually(lambda: operator.partition(0).lag == EACH, PATIENCE_S)
    operator.done(Resume("r", partition=0))
    scenario.wait_for("done", 2 * EACH)
    scenario.wait_for_settled()
    scenario.assert_each_once()
    assert moves(daemon) == before_moves
    daemon.stop()


def test_a_feeder_that_dies_while_its_partition_is_paused_comes_back_paused(scenario: Scenario) -> None:
    operator = given(scenario)
    daemon = scenario.start()
    operator.wait_until_owned(PARTITIONS, owners=2)
    operator.done(Pause("r", topic=scenario.topic, partition=0))
    eventually(lambda: operator.partition(0).state == "paused", PATIENCE_S)
    victims = kafka_feeders(daemon)
    for pid in victims:
        signals.send(pid, signal.SIGKILL)
    eventually(children_are_gone(victims), PATIENCE_S)
    produce(scenario)
    eventually(lambda: done_of(scenario, 1) == EACH, PATIENCE_S)
    never(lambda: done_of(scenario, 0), NOTHING_S)
    operator.done(Resume("r", topic=scenario.topic, partition=0))
    eventually(lambda: done_of(scenario, 0) == EACH, PATIENCE_S)
    daemon.stop()


def test_kafka_paused_lets_retries_through_and_the_queues_paused_lets_kafka_through(
    scenario: Scenario,
) -> None:
    operator = given(scenario)
    daemon = scenario.start()
    operator.wait_until_owned(PARTITIONS, owners=2)
    before_moves = moves(daemon)
    operator.done(Pause("r", source="queue"))
    scenario.produce([b"-1"], partition=1)
    scenario.produce_numbers(EACH, partition=0)
    eventually(lambda: done_of(scenario, 0) == EACH, PATIENCE_S)
    never(lambda: done_of(scenario, 1), 2 * NOTHING_S)
    operator.done(Pause("r", source="kafka"))
    eventually(lambda: {one.state for one in operator.look().partitions} == {"paused"}, PATIENCE_S)
    operator.done(Resume("r", source="queue"))
    eventually(lambda: done_of(scenario, 1) == 1, PATIENCE_S)
    scenario.produce_numbers(EACH, partition=0)
    never(lambda: done_of(scenario, 0) > EACH, NOTHING_S)
    operator.done(Resume("r", source="kafka"))
    eventually(lambda: done_of(scenario, 0) == 2 * EACH, PATIENCE_S)
    scenario.wait_for_settled()
    assert moves(daemon) == before_moves
    daemon.stop()


def test_pauses_last_over_a_restart_and_over_a_kill(scenario: Scenario) -> None:
    operator = given(scenario)
    daemon = scenario.start()
    operator.wait_until_owned(PARTITIONS, owners=2)
    operator.done(Pause("r"))
    operator.done(Pause("r", partition=1))
    produce(scenario)
    daemon.stop()
    again = scenario.start()
    operator.wait_until_owned(PARTITIONS)
    never(lambda: scenario.events("done"), NOTHING_S)
    assert operator.done(Resume("r")).lines, "it is told what else is paused"
    eventually(lambda: done_of(scenario, 0) == EACH, PATIENCE_S)
    children = again.children().values()
    again.kill()
    eventually(children_are_gone(children), PATIENCE_S)
    last = scenario.start()
    operator.wait_until_owned(PARTITIONS)
    never(lambda: done_of(scenario, 1), NOTHING_S)
    operator.done(Resume("r", partition=1))
    eventually(lambda: done_of(scenario, 1) == EACH, PATIENCE_S)
    last.stop()


def test_what_makes_no_sense_is_refused_and_pausing_twice_is_not(scenario: Scenario) -> None:
    operator = given(scenario)
    daemon = scenario.start()
    operator.wait_until_owned(PARTITIONS, owners=2)
    assert operator.refused(Pause("nothing")).unknown
    assert "no partitions" in operator.refused(Pause("r", partition=0, source="queue")).reason
    assert "from 0" in operator.refused(Pause("r", partition=-1)).reason
    operator.done(Pause("r", operator="ann"))
    operator.done(Pause("r", operator="bob"))
    operator.done(Resume("r", operator="ann"))
    assert "was not paused" in operator.done(Resume("r", operator="bob")).text
    assert "no node elsewhere" in operator.done(Pause("r", node="elsewhere")).lines[0]
    assert "has no topic" in operator.refused(Pause("r", topic="another", partition=0)).reason
    resumed = operator.done(Resume("r", topic="another", partition=0))
    assert resumed.lines == ["still paused: r on node elsewhere"]
    assert operator.done(Pause("r", partition=0)).lines == []
    assert "nobody is known to own partition 99" in operator.done(Pause("r", partition=99)).lines[0]
    operator.done(Resume("r", partition=0))
    produce(scenario, 10)
    scenario.wait_for("done", 20)
    daemon.stop()


@pytest.mark.parametrize("paused", ["route", "partition"])
def test_a_flood_and_an_operator_do_not_undo_each_others_pause(scenario: Scenario, paused: str) -> None:
    scenario.create_topic(PARTITIONS)
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            if not is_open("bank"):
                raise ConnectionError("the bank is away")
            tell("done", message)
    """)
    flood = {"messages": 10, "window_s": 5, "probe_s": 0.5}
    scenario.config({"consumers": 1, "flood": flood, "retry": {"first_s": 1, "attempts": 50}})
    operator = Operator(scenario)
    daemon = scenario.start()
    operator.wait_until_owned(PARTITIONS)
    produce(scenario, 50)
    eventually(lambda: daemon.log("flood: route paused"), PATIENCE_S)
    request = Pause("r") if paused == "route" else Pause("r", partition=0)
    operator.done(request)
    scenario.open_gate("bank")
    if paused == "partition":
        eventually(lambda: daemon.log("flood: route resumed"), PATIENCE_S)
    else:
        never(lambda: scenario.events("done"), NOTHING_S)
    operator.done(Resume("r") if paused == "route" else Resume("r", partition=0))
    eventually(lambda: daemon.log("flood: route resumed"), PATIENCE_S)
    eventually(lambda: done_of(scenario, 0) == done_of(scenario, 1) == 50, PATIENCE_S)
    daemon.stop()


def test_a_route_that_goes_straight_to_a_channel_is_paused_too(scenario: Scenario) -> None:
    scenario.create_topic(PARTITIONS)
    scenario.app("""
        @app.channel("r", "slow")
        def handle(number: int, message: Message) -> None:
            tell("done", message)
    """)
    scenario.config({"consumers": 1, "through": "slow", "channels": {"slow": {"handlers": 1}}})
    operator = Operator(scenario)
    daemon = scenario.start()
    operator.wait_until_owned(PARTITIONS)
    operator.done(Pause("r"))
    produce(scenario, 10)
    never(lambda: scenario.events("done"), NOTHING_S)
    operator.done(Resume("r"))
    scenario.wait_for("done", 20)
    operator.done(Pause("r.slow"))
    produce(scenario, 10)
    scenario.wait_for_settled()
    never(lambda: len(scenario.events("done")) > 20, NOTHING_S)
    operator.done(Resume("r.slow"))
    scenario.wait_for("done", 40)
    daemon.stop()


def test_a_paused_partition_stays_out_of_an_overflow_and_a_paused_route_ends_it(scenario: Scenario) -> None:
    scenario.create_topic(PARTITIONS)
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            if not is_open("fast"):
                time.sleep(0.05)
            tell("done", message)
    """)
    scenario.config({"consumers": 1, "handlers": 1, "overflow": {"after_s": 0.2}}, ring={"messages": 64})
    operator = Operator(scenario)
    daemon = scenario.start()
    operator.wait_until_owned(PARTITIONS)
    operator.done(Pause("r", partition=0))
    eventually(lambda: operator.partition(0).state == "paused", PATIENCE_S)
    produce(scenario, 1000)
    eventually(lambda: daemon.log("overflow begins"), PATIENCE_S)
    eventually(lambda: operator.partition(1).position == 1000, PATIENCE_S)
    assert operator.partition(0).position == 0
    assert done_of(scenario, 0) == 0
    operator.done(Pause("r"))
    eventually(lambda: daemon.log("overflow ends"), PATIENCE_S)
    scenario.open_gate("fast")
    operator.done(Resume("r"))
    operator.done(Resume("r", partition=0))
    eventually(lambda: done_of(scenario, 0) == done_of(scenario, 1) == 1000, PATIENCE_S)
    daemon.stop()


def test_a_partition_paused_while_it_moves_is_paused_wherever_it_comes(scenario: Scenario) -> None:
    operator = given(scenario, consumers=1)
    daemon = scenario.start()
    operator.wait_until_owned(PARTITIONS)
    (victim,) = kafka_feeders(daemon)
    signals.send(victim, signal.SIGSTOP)
    operator.done(Pause("r", partition=0))
    signals.send(victim, signal.SIGKILL)
    produce(scenario)
    eventually(lambda: done_of(scenario, 1) == EACH, PATIENCE_S)
    never(lambda: done_of(scenario, 0), NOTHING_S)
    operator.done(Resume("r", partition=0))
    eventually(lambda: done_of(scenario, 0) == EACH, PATIENCE_S)
    daemon.stop()
