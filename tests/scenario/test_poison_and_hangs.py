"""Messages that kill or hang: only the guilty one is counted, and only what must end is ended."""

import pytest

from support.scenario import Scenario

COUNT = 300
POISON = 150
ALL_BUT_POISON = [each for each in range(COUNT) if each != POISON]


def test_among_a_hundred_concurrent_calls_only_the_one_that_kills_is_counted(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(f"""
        calls = [0]

        @app.route("r")
        async def handle(number: int, message: Message) -> None:
            calls[0] += 1
            tell("begun", message, note=calls[0])
            if number == {POISON}:
                crowded = first_time("crowd")
                while crowded and calls[0] < 50:
                    await asyncio.sleep(0.01)
                os.kill(os.getpid(), signal.SIGKILL)
            await asyncio.sleep(0.2 if calls[0] > 1 else 0)
            tell("done", message)
            calls[0] -= 1
    """)
    scenario.config({"handlers": 1, "concurrency": 100})
    daemon = scenario.start()
    scenario.wait_for_settled()
    [entry] = scenario.wait_for_dead(1)
    assert (entry["offset"], entry["error_class"], entry["crashes"]) == (POISON, "HandlerCrash", 2)
    assert sorted(set(scenario.offsets())) == ALL_BUT_POISON
    assert not scenario.repeats()
    deaths = [one for one in scenario.events("begun") if one.offset == POISON]
    assert len(deaths) == 3  # once in the crowd, which proves nothing, then twice alone
    assert [one.note for one in deaths[1:]] == [1, 1]
    suspects = daemon.log("one of several calls when its process died: runs again alone")
    assert {line["crashes"] for line in suspects} == {0}
    assert f"{scenario.topic}:0:{POISON}" in {line["message_id"] for line in suspects}
    assert len(suspects) >= 50
    daemon.stop()


def test_two_that_kill_in_one_crowd_are_both_found(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app("""
        @app.route("r")
        async def handle(number: int, message: Message) -> None:
            await asyncio.sleep(0.05)
            if number in (150, 160):
                os._exit(1)
            tell("done", message)
    """)
    scenario.config({"handlers": 2, "concurrency": 100})
    daemon = scenario.start()
    scenario.wait_for_settled()
    dead = scenario.wait_for_dead(2)
    assert {entry["offset"] for entry in dead} == {150, 160}
    assert {entry["error_class"] for entry in dead} == {"HandlerCrash"}
    scenario_missing = {place[2] for place in scenario.missing()}
    assert scenario_missing == {150, 160}
    daemon.stop()


def test_a_sync_call_that_hangs_is_logged_with_its_stack_killed_and_failed_once(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(f"""
        def the_place_where_it_hangs():
            wait_at("never")

        @app.route("r")
        def handle(number: int, message: Message) -> None:
            if number == {POISON}:
                tell("hangs", message)
                the_place_where_it_hangs()
            tell("done", message)
    """)
    scenario.config({"timeout_s": 1, "retry": {"attempts": 2, "first_s": 1}})
    daemon = scenario.start()
    [entry] = scenario.wait_for_dead(1)
    scenario.wait_for_settled()
    assert (entry["offset"], entry["error_class"], entry["attempt"]) == (POISON, "TimeoutError", 2)
    assert "timeout_s" in entry["error_message"]
    assert sorted(scenario.offsets()) == ALL_BUT_POISON
    assert [one.attempt for one in scenario.events("hangs")] == [1, 2]
    assert len(daemon.log("stacks")) == 2
    assert all("the_place_where_it_hangs" in line["stacks"] for line in daemon.log("stacks"))
    assert [line["cause"] for line in daemon.log("child ended")] == ["timeout", "timeout"]
    daemon.stop()


def test_an_async_call_that_hangs_is_cancelled_alone(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(f"""
        @app.route("r")
        async def handle(number: int, message: Message) -> None:
            if number == {POISON}:
                try:
                    await asyncio.sleep(60)
                finally:
                    tell("cancelled", message)
            await asyncio.sleep(0.2)
            tell("done", message)
    """)
    scenario.config({"handlers": 1, "timeout_s": 2, "retry": {"attempts": 1}})
    daemon = scenario.start()
    [entry] = scenario.wait_for_dead(1)
    scenario.wait_for_settled()
    assert (entry["offset"], entry["error_class"]) == (POISON, "TimeoutError")
    assert sorted(scenario.offsets()) == ALL_BUT_POISON
    assert len(scenario.events("cancelled")) == 1
    assert not daemon.log("child ended")
    daemon.stop()


def test_an_async_call_that_blocks_its_loop_costs_the_process_and_the_rest_run_again_alone(
    scenario: Scenario,
) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(f"""
        @app.route("r")
        async def handle(number: int, message: Message) -> None:
            tell("begun", message)
            await asyncio.sleep(0.05)
            if number == {POISON}:
                wait_at("never", message)
            tell("done", message)
    """)
    scenario.config({"handlers": 2, "timeout_s": 1, "concurrency": 20, "max_crashes": 1})
    daemon = scenario.start()
    [entry] = scenario.wait_for_dead(1)
    scenario.wait_for_settled()
    assert entry["offset"] == POISON
    assert sorted(set(scenario.offsets())) == ALL_BUT_POISON
    assert daemon.log("stacks")
    daemon.stop()


@pytest.mark.parametrize("order", ["key", "partition"])
def test_poison_in_an_ordered_route_holds_up_only_until_it_is_dead(scenario: Scenario, order: str) -> None:
    scenario.produce((str(number % 10), str(number)) for number in range(COUNT))
    scenario.app(f"""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            if number == {POISON}:
                os._exit(1)
            tell("done", message)
    """)
    scenario.config({"order": order})
    daemon = scenario.start()
    scenario.wait_for_settled()
    [entry] = scenario.wait_for_dead(1)
    assert (entry["offset"], entry["error_class"]) == (POISON, "HandlerCrash")
    by_key = [[one.offset for one in scenario.events("done") if one.key == str(key)] for key in range(10)]
    assert all(offsets == sorted(offsets) for offsets in by_key)
    assert sorted(scenario.offsets()) == ALL_BUT_POISON
    daemon.stop()
