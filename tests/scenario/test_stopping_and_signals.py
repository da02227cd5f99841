"""Signals: TERM finishes what was begun, a second is now, USR1 takes nothing new, HUP renews the code."""

import signal
from collections import Counter

import pytest

from support.scenario import Scenario
from support.waiting import eventually, never

LOAD = 20_000
SESSION_TIMEOUT_S = 15.0
"""ringmain's default."""
BUSY = """
    @app.route("r")
    def handle(number: int, message: Message) -> None:
        block_for(0.001)
        tell("done", message)
"""
BUSY_ASYNC = """
    @app.route("r")
    async def handle(number: int, message: Message) -> None:
        await asyncio.sleep(0.05)
        tell("done", message)
"""
SLOWER_AND_SLOWER = {
    "sync": BUSY.replace("block_for(0.001)", "block_for(0.001 if number < 100 else 0.005)"),
    "async": BUSY_ASYNC.replace("sleep(0.05)", "sleep(0.05 if number < 100 else 0.5)"),
}
"""However late a stop comes, it comes in the middle of the work."""
BLOCKS = """
    @app.route("r")
    def handle(number: int, message: Message) -> None:
        wait_at("gate", message)
        tell("done", message)
"""


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("order", ["none", "key", "partition"])
def test_a_stop_under_load_finishes_what_was_begun_and_a_restart_repeats_nothing(
    scenario: Scenario, kind: str, order: str
) -> None:
    count = LOAD // 20 if order == "partition" else LOAD // 4
    scenario.create_topic(partitions=2)
    scenario.produce((str(number % 500), str(number)) for number in range(count))
    scenario.app(SLOWER_AND_SLOWER[kind])
    scenario.config({"order": order})
    daemon = scenario.start()
    scenario.wait_for("done", 40)
    daemon.stop()
    done = len(scenario.events("done"))
    assert done < count, "it was not under load any more"
    if order == "none":
        assert sum(scenario.kafka.committed(scenario.group, scenario.topic).values()) == done
    quick = {"sync": ("block_for(0.001)", "pass"), "async": ("sleep(0.05)", "sleep(0)")}
    scenario.app((BUSY if kind == "sync" else BUSY_ASYNC).replace(*quick[kind]))
    again = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_each_once()
    again.stop()


def test_a_stop_while_the_group_changes_is_soon_over_commits_all_and_repeats_nothing(
    scenario: Scenario,
) -> None:
    """The first feeder gave a partition away and has joined again; the second one is still to do so."""
    scenario.create_topic(partitions=2)
    scenario.produce((str(number % 500), str(number)) for number in range(400))
    scenario.app(BUSY_ASYNC)
    scenario.config({"order": "partition"})
    daemon = scenario.start()
    eventually(lambda: daemon.log("revoked"), message="a partition goes from the first feeder to the second")
    daemon.stop(SESSION_TIMEOUT_S - 7.0)
    done = Counter(event.partition for event in scenario.events("done"))
    assert sum(done.values()) < 400, "it was not under load any more"
    assert scenario.kafka.committed(scenario.group, scenario.topic) == {one: done[one] for one in (0, 1)}
    scenario.app(BUSY_ASYNC.replace("asyncio.sleep(0.05)", "asyncio.sleep(0)"))
    again = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_each_once()
    again.stop()


def test_an_interrupt_stops_as_well(scenario: Scenario) -> None:
    scenario.produce_numbers(10)
    scenario.app(BUSY)
    daemon = scenario.start()
    scenario.wait_for_settled()
    daemon.signal(signal.SIGINT)
    assert daemon.ended() == 0


def test_a_stop_waits_for_the_call_under_way(scenario: Scenario) -> None:
    scenario.produce_numbers(10)
    scenario.app(BLOCKS)
    scenario.config({"handlers": 1})
    daemon = scenario.start()
    scenario.wait_for("at gate")
    daemon.signal(signal.SIGTERM)
    never(lambda: not daemon.running, 1.5, "it ends before its call does")
    scenario.open_gate("gate")
    assert daemon.ended() == 0
    done = scenario.offsets()
    assert done == list(range(len(done))), "what one handler does is in order"
    assert scenario.kafka.committed(scenario.group, scenario.topic) == {0: len(done)}


def test_calls_of_mixed_length_leave_no_gap_that_a_restart_would_repeat(scenario: Scenario) -> None:
    scenario.produce_numbers(8000)
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            if not is_open("fast"):
                block_for(0.03 if number % 50 == 0 else 0.0001)
            tell("done", message)
    """)
    daemon = scenario.start()
    scenario.wait_for("done", 1000)
    daemon.stop()
    done = len(scenario.events("done"))
    assert done < 8000, "it was not under load any more"
    assert scenario.kafka.committed(scenario.group, scenario.topic) == {0: done}
    scenario.open_gate("fast")
    again = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_each_once()
    again.stop()


def test_the_second_signal_is_now_and_only_what_was_being_executed_is_repeated(scenario: Scenario) -> None:
    scenario.produce_numbers(10)
    scenario.app(BLOCKS)
    scenario.config({"timeout_s": 600}, stop_s=300)
    daemon = scenario.start()
    begun = scenario.wait_for("at gate", 2)
    daemon.signal(signal.SIGTERM)
    eventually(lambda: daemon.log("stopping"))
    daemon.signal(signal.SIGTERM)
    daemon.ended()
    assert not scenario.events("done")
    scenario.open_gate("gate")
    again = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_each_once()
    assert set(scenario.repeats("at gate")) == {one.place for one in begun}
    again.stop()


def test_what_does_not_end_within_stop_s_is_killed_and_comes_again(scenario: Scenario) -> None:
    scenario.produce_numbers(10)
    scenario.app(BLOCKS)
    scenario.config({"timeout_s": 600}, stop_s=1.5)
    daemon = scenario.start()
    scenario.wait_for("at gate", 2)
    daemon.signal(signal.SIGTERM)
    daemon.ended()
    scenario.open_gate("gate")
    again = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_each_once()
    assert scenario.dead() == []
    again.stop()


def test_quiet_finishes_what_was_begun_and_takes_nothing_new(scenario: Scenario) -> None:
    scenario.produce_numbers(1000)
    scenario.app(BLOCKS)
    scenario.config({"handlers": 1})
    daemon = scenario.start()
    scenario.wait_for("at gate")
    daemon.signal(signal.SIGUSR1)
    eventually(lambda: any("quiet" in line["event"] for line in daemon.log()))
    scenario.open_gate("gate")
    scenario.wait_for("done")
    most_claimed = 64
    never(lambda: len(scenario.events("done")) > most_claimed, 1.0, "something new was taken")
    done = len(scenario.events("done"))
    daemon.stop()
    assert scenario.offsets() == list(range(done))
    again = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_each_once()
    again.stop()


def test_a_reload_replaces_the_code_under_load_and_neither_loses_nor_repeats(scenario: Scenario) -> None:
    scenario.produce_numbers(LOAD // 2)
    scenario.app(SLOWER_AND_SLOWER["sync"])
    daemon = scenario.start()
    scenario.wait_for("done", 150)
    scenario.app(BUSY.replace('tell("done", message)', 'tell("done", message, note="new")'))
    daemon.signal(signal.SIGHUP)
    eventually(lambda: any(one.note == "new" for one in scenario.events("done")))
    scenario.wait_for_settled()
    scenario.assert_each_once()
    assert scenario.events("done")[0].note is None
    daemon.stop()


def test_a_reload_of_code_that_does_not_import_changes_nothing(scenario: Scenario) -> None:
    scenario.produce_numbers(10)
    scenario.app(BUSY)
    daemon = scenario.start()
    scenario.wait_for_settled()
    handlers = daemon.children("handler")
    scenario.app("raise RuntimeError('a typo')")
    daemon.signal(signal.SIGHUP)
    eventually(lambda: "a typo" in daemon.log_text())
    scenario.produce_numbers(10)
    scenario.wait_for_settled()
    scenario.assert_each_once()
    assert daemon.children("handler") == handlers
    daemon.stop()
