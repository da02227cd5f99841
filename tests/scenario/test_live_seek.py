"""A partition is sent back or forth: everything of it settled first, nothing else touched, nothing lost."""

import time
from collections import Counter

import pytest

from ringmain.control import Pause, Resume, Seek
from support.operator import PATIENCE_S, Operator
from support.scenario import Scenario
from support.waiting import eventually

PARTITIONS = 2
EACH = 300


def given(scenario: Scenario, order: str = "none") -> Operator:
    scenario.create_topic(PARTITIONS)
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            tell("begun", message)
            if number == -1:
                wait_at("long", message)
            tell("done", message)
    """)
    scenario.config({"order": order, "consumers": 1, "handlers": 2, "timeout_s": 60}, revoke_s=1)
    scenario.start()
    operator = Operator(scenario)
    operator.wait_until_owned(PARTITIONS)
    return operator


def counts(scenario: Scenario, partition: int) -> Counter[int]:
    return Counter(one.offset for one in scenario.events("done") if one.partition == partition)


def handle_all(scenario: Scenario, count: int = EACH) -> None:
    for partition in range(PARTITIONS):
        scenario.produce_numbers(count, partition=partition)
    scenario.wait_for("done", PARTITIONS * count)
    scenario.wait_for_settled()


@pytest.mark.parametrize("order", ["none", "key"])
def test_sent_back_it_repeats_exactly_that_and_the_other_partition_nothing(
    scenario: Scenario, order: str
) -> None:
    operator = given(scenario, order)
    handle_all(scenario)
    answer = operator.done(Seek("r", 0, "100", operator="ann"))
    assert answer.text == f"{scenario.topic}/0 goes on at offset 100"
    scenario.wait_for("done", PARTITIONS * EACH + EACH - 100)
    scenario.wait_for_settled()
    assert counts(scenario, 0) == Counter({offset: 1 + (offset >= 100) for offset in range(EACH)})
    assert counts(scenario, 1) == Counter(range(EACH))
    scenario.daemons[-1].stop()


def test_what_was_sent_back_is_committed_there_before_anything_is_handled(scenario: Scenario) -> None:
    operator = given(scenario)
    handle_all(scenario)
    operator.done(Pause("r", partition=0))
    operator.done(Seek("r", 0, "earliest"))
    assert scenario.kafka.committed(scenario.group, scenario.topic)[0] == 0
    scenario.daemons[-1].stop()
    scenario.start()
    operator.wait_until_owned(PARTITIONS)
    operator.done(Resume("r", partition=0))
    scenario.wait_for("done", (PARTITIONS + 1) * EACH)
    assert counts(scenario, 0) == Counter({offset: 2 for offset in range(EACH)})
    scenario.daemons[-1].stop()


def test_sent_forward_it_leaves_out_exactly_that(scenario: Scenario) -> None:
    operator = given(scenario)
    operator.done(Pause("r", partition=0))
    eventually(lambda: operator.partition(0).state == "paused", PATIENCE_S)
    scenario.produce_numbers(EACH, partition=0)
    operator.done(Seek("r", 0, "250"))
    operator.done(Resume("r", partition=0))
    scenario.wait_for("done", EACH - 250)
    scenario.wait_for_settled()
    assert counts(scenario, 0) == Counter(range(250, EACH))
    operator.done(Seek("r", 0, "latest"))
    scenario.produce_numbers(5, partition=0)
    scenario.wait_for("done", EACH - 250 + 5)
    assert counts(scenario, 0) == Counter(range(250, EACH + 5))
    scenario.daemons[-1].stop()


def test_sent_to_a_time_it_goes_on_with_the_first_message_since_then(scenario: Scenario) -> None:
    operator = given(scenario)
    begin_ms = int(time.time() * 1000) - 1_000_000
    stamped = [{"value": b"%d" % number, "timestamp": begin_ms + 1000 * number} for number in range(100)]
    scenario.produce(stamped, partition=0)
    scenario.wait_for("done", 100)
    since_s = begin_ms / 1000 + 60
    iso = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(since_s)) + f".{int(since_s * 1000) % 1000:03d}Z"
    operator.done(Seek("r", 0, iso))
    scenario.wait_for("done", 140)
    assert counts(scenario, 0) == Counter({offset: 1 + (offset >= 60) for offset in range(100)})
    scenario.daemons[-1].stop()


@pytest.mark.parametrize("order", ["none", "key"])
def test_under_way_what_is_executing_has_revoke_s_and_moves_no_offset_later(
    scenario: Scenario, order: str
) -> None:
    operator = given(scenario, order)
    scenario.produce([b"-1", *(b"%d" % number for number in range(50))], partition=0)
    scenario.wait_for("at long")
    operator.done(Seek("r", 0, "1"))
    scenario.open_gate("long")
    eventually(lambda: counts(scenario, 0)[50] >= 1, PATIENCE_S)
    scenario.wait_for_settled()
    again = counts(scenario, 0)
    assert set(range(1, 51)) <= set(again), "nothing behind it is lost"
    scenario.daemons[-1].stop()


def test_what_cannot_be_is_refused_with_its_reason(scenario: Scenario) -> None:
    operator = given(scenario)
    handle_all(scenario, 10)
    assert "nobody here owns" in operator.refused(Seek("r", 7, "0")).reason
    assert operator.refused(Seek("nothing", 0, "0")).unknown
    assert "neither earliest nor latest" in operator.refused(Seek("r", 0, "soon")).reason
    assert "no offset 11: it has 0 to 10" in operator.refused(Seek("r", 0, "11")).reason
    assert counts(scenario, 0) == Counter(range(10))
    scenario.daemons[-1].stop()
