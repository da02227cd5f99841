"""Retries and outcomes, returned and raised; the breaker that closes; processes that are replaced."""

import itertools
from datetime import datetime

import pytest

from support.scenario import Scenario
from support.waiting import eventually

COUNT = 100
SOON = {"first_s": 1, "backoff": "linear", "max_s": 1}
BOTH_WAYS = pytest.mark.parametrize("way", ["return", "raise"])


def app_where_fifty(deed: str, decorator: str = '@app.route("r")') -> str:
    return f"""
        {decorator}
        def handle(number: int, message: Message):
            tell("call", message)
            if number == 50:
                {deed}
            tell("done", message)
    """


@pytest.mark.parametrize("order", ["none", "key", "partition"])
def test_what_fails_twice_succeeds_at_the_third_call(scenario: Scenario, order: str) -> None:
    scenario.produce((str(number % 10), str(number)) for number in range(COUNT))
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            tell("call", message)
            if number % 10 == 0 and message.attempt < 3:
                raise ConnectionError("not yet")
            tell("done", message)
    """)
    in_place = {"first_s": 0.05, "max_s": 0.05}
    scenario.config({"order": order, "retry": SOON if order == "none" else in_place})
    daemon = scenario.start()
    eventually(lambda: not scenario.missing(), 40)
    scenario.wait_for_settled()
    scenario.assert_each_once()
    attempts_of = {
        offset: [one.attempt for one in scenario.events("call") if one.offset == offset]
        for offset in range(COUNT)
    }
    assert all(
        attempts == ([1, 2, 3] if offset % 10 == 0 else [1]) for offset, attempts in attempts_of.items()
    )
    assert scenario.dead() == []
    daemon.stop()


@pytest.mark.parametrize("order", ["none", "key", "partition"])
def test_the_last_attempt_of_a_failing_message_ends_in_the_dead_set_with_its_history(
    scenario: Scenario, order: str
) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(app_where_fifty("raise ConnectionError('the ledger is away')"))
    scenario.config({"order": order, "retry": {**SOON, "attempts": 3}})
    daemon = scenario.start()
    [entry] = scenario.wait_for_dead(1)
    assert (entry["offset"], entry["attempt"]) == (50, 3)
    assert (entry["error_class"], entry["error_message"]) == ("ConnectionError", "the ledger is away")
    assert "in handle" in entry["traceback"]
    failed_for = datetime.fromisoformat(entry["dead_at"]) - datetime.fromisoformat(entry["first_failed_at"])
    assert failed_for.total_seconds() >= 2  # two waits of a second, in a queue or in place
    scenario.wait_for_settled()
    assert len(scenario.offsets()) == COUNT - 1
    daemon.stop()


def test_a_retry_in_order_of_keys_holds_back_only_its_key(scenario: Scenario) -> None:
    scenario.produce((str(number % 10), str(number)) for number in range(COUNT))
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            if number == 50 and not is_open("key 0"):
                raise ConnectionError("not yet")
            tell("done", message)
    """)
    scenario.config({"order": "key", "retry": {"first_s": 0.2, "max_s": 0.2, "attempts": 1000}})
    daemon = scenario.start()
    scenario.wait_for("done", COUNT - 5)
    assert {place[2] for place in scenario.missing()} == {50, 60, 70, 80, 90}
    eventually(lambda: daemon.log("retry waits in place"), message="its feeder says so")
    assert {line["message_id"] for line in daemon.log("retry waits in place")} == {f"{scenario.topic}:0:50"}
    scenario.open_gate("key 0")
    scenario.wait_for_settled()
    scenario.assert_each_once()
    assert [one.offset for one in scenario.events("done") if one.key == "0"] == list(range(0, COUNT, 10))
    daemon.stop()


@BOTH_WAYS
def test_retry_waits_as_long_as_it_says_and_counts(scenario: Scenario, way: str) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(app_where_fifty(f"{way} Retry(after_s=2, reason='busy')"))
    scenario.config({"retry": {"attempts": 2, "first_s": 600}})
    daemon = scenario.start()
    [entry] = scenario.wait_for_dead(1)
    assert (entry["error_class"], entry["error_message"], entry["attempt"]) == ("Retry", "busy", 2)
    first, second = [one for one in scenario.events("call") if one.offset == 50]
    assert 1.9 <= (second.at_ns - first.at_ns) / 1e9 <= 30, "its own delay, not the policy's"
    daemon.stop()


def test_a_retry_that_does_not_count_uses_up_no_attempt(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(app_where_fifty("if not is_open('way'): raise Retry(after_s=1, reason='429', count=False)"))
    scenario.config({"retry": {"attempts": 1}})
    daemon = scenario.start()
    eventually(lambda: sum(one.offset == 50 for one in scenario.events("call")) >= 3, 60)
    scenario.open_gate("way")
    eventually(lambda: not scenario.missing())
    assert {one.attempt for one in scenario.events("call")} == {1}
    assert scenario.dead() == []
    daemon.stop()


@BOTH_WAYS
def test_skip_settles_and_dead_goes_to_the_dead_set_at_once(scenario: Scenario, way: str) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(f"""
        @app.route("r")
        def handle(number: int, message: Message):
            tell("call", message)
            if number == 50:
                {way} Skip("old")
            if number == 51:
                {way} Dead("wrong")
    """)
    daemon = scenario.start()
    scenario.wait_for_settled()
    [entry] = scenario.dead()
    assert (entry["offset"], entry["error_class"], entry["error_message"]) == (51, "Dead", "wrong")
    assert entry["attempt"] == 1
    scenario.assert_each_once("call")
    daemon.stop()


@BOTH_WAYS
@pytest.mark.parametrize("order", ["none", "key"])
def test_pause_holds_the_whole_route_and_its_message_comes_again_uncounted(
    scenario: Scenario, way: str, order: str
) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(app_where_fifty(f"if first_time('pause'): {way} Pause(2, 'the database is away')"))
    scenario.config({"order": order, "handlers": 1})
    daemon = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_each_once()
    first, second = [one for one in scenario.events("call") if one.offset == 50]
    assert (second.at_ns - first.at_ns) / 1e9 >= 1.9
    assert second.attempt == 1
    pauses = itertools.pairwise(one.at_ns / 1e9 for one in scenario.events("call"))
    assert max(later - earlier for earlier, later in pauses) >= 1.8, "others were called during the pause"
    daemon.stop()


def test_exception_classes_go_where_the_route_sends_them(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app("""
        @app.route("r", dead_on=(ValueError,), skip_on=(LookupError,))
        def handle(number: int, message: Message) -> None:
            tell("call", message)
            if number == 50:
                int("no number")
            if number == 51:
                {}["no key"]
            if number == 52:
                raise UnicodeError("a kind of ValueError")
    """)
    daemon = scenario.start()
    scenario.wait_for_settled()
    dead = {entry["offset"]: entry["error_class"] for entry in scenario.dead()}
    assert dead == {50: "ValueError", 52: "UnicodeError"}
    scenario.assert_each_once("call")
    daemon.stop()


def test_the_breaker_closes_on_a_flood_of_failures_and_opens_when_a_probe_passes(scenario: Scenario) -> None:
    count = 3000
    scenario.produce_numbers(count)
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            tell("call", message)
            block_for(0.002)
            if not is_open("database"):
                raise ConnectionError("the database is away")
            tell("done", message)
    """)
    flood = {"failed_ratio": 0.5, "window_s": 5, "messages": 50, "probe_s": 0.5}
    scenario.config({"flood": flood, "retry": {**SOON, "attempts": 100}})
    daemon = scenario.start()
    eventually(lambda: daemon.log("flood: route paused"), 60)
    eventually(lambda: len(daemon.log("flood: one message is tried")) >= 2)
    assert not daemon.log("flood: route resumed")
    assert len(scenario.events("call")) < count, "the breaker closed too late to be of use"
    assert "calls failed" in daemon.log("flood: route paused")[0]["reason"]
    scenario.open_gate("database")
    eventually(lambda: daemon.log("flood: route resumed"), 60)
    eventually(lambda: not scenario.missing(), 40)
    scenario.assert_each_once()
    assert scenario.dead() == []
    daemon.stop()


@pytest.mark.parametrize("kind", ["sync", "async", "batch"])
def test_a_wrong_type_brings_hundreds_to_the_dead_set_not_all(scenario: Scenario, kind: str) -> None:
    count = 30_000
    scenario.produce(("", "no number") for _ in range(count))
    head = {
        "sync": '@app.route("r")\n        def handle(number: int) -> None:',
        "async": '@app.route("r")\n        async def handle(number: int) -> None:',
        "batch": '@app.batch_route("r")\n        def handle(numbers: list[int]) -> None:',
    }[kind]
    scenario.app(f"""
        {head}
            tell("done")
    """)
    daemon = scenario.start()
    eventually(lambda: daemon.log("flood: route paused"), 60)
    daemon.stop()
    assert 100 <= len(scenario.dead()) < 3_000


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("order", ["none", "key"])
def test_processes_replaced_after_so_many_messages_lose_and_repeat_nothing(
    scenario: Scenario, kind: str, order: str
) -> None:
    count = 2000
    # Two messages a key: a run of one key is executed as one piece, however far beyond max_messages it goes.
    scenario.produce((str(number % 1000), str(number)) for number in range(count))
    prefix, work = ("async ", "await asyncio.sleep(0)") if kind == "async" else ("", "pass")
    scenario.app(f"""
        @app.route("r")
        {prefix}def handle(number: int, message: Message) -> None:
            {work}
            tell("done", message)
    """)
    scenario.config({"max_messages": 200, "order": order})
    daemon = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_each_once()
    assert len({one.pid for one in scenario.events("done")}) >= 8
    assert {line["cause"] for line in daemon.log("child ended")} == {"recycled"}
    daemon.stop()
