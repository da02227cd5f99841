"""Channels: handlers of their own behind a queue, with their own times, retries, dead set and breaker."""

import signal
from typing import Any

import pytest

from support import signals
from support.scenario import ROUTE, Daemon, Scenario
from support.waiting import eventually, never

COUNT = 200
AT_ONCE = {"first_s": 1, "backoff": "linear", "max_s": 1}
EXPRESS = "r.express"

ALL_TO_EXPRESS = """
    @app.route("r")
    def handle(number: int, message: Message) -> To:
        tell("sent", message)
        return To("express")
"""
Queues = dict[str, Any]


def configure(scenario: Scenario, queues: Queues, channel: Queues | None = None, **route: Any) -> None:
    """The scenario's route with the channel `express`."""
    scenario.config({"channels": {"express": {"handlers": 2, **(channel or {})}}, **route}, queues=queues)


def start(scenario: Scenario, handlers: int = 2) -> Daemon:
    """A node whose channel is at work, and its route: its handlers have read the app."""
    daemon = scenario.start()
    eventually(lambda: len(daemon.at_work("handler", EXPRESS)) >= handlers, 60)
    eventually(lambda: daemon.at_work("handler", ROUTE), 60)
    return daemon


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("way", ["return", "raise"])
def test_to_hands_a_message_over_to_the_channels_own_handlers(
    scenario: Scenario, queues: Queues, way: str, kind: str
) -> None:
    scenario.produce((f"k{number}", str(number)) for number in range(COUNT))
    prefix = "async " if kind == "async" else ""
    scenario.app(f"""
        @app.route("r")
        {prefix}def handle(number: int, message: Message):
            if number % 2:
                {way} To("express")
            tell("done", message)

        @app.channel("r", "express")
        {prefix}def express(number: int, message: Message) -> None:
            assert message.route == "r"
            tell("done", message)
    """)
    configure(scenario, queues)
    daemon = start(scenario)
    eventually(lambda: not scenario.missing())
    scenario.wait_for_settled()
    scenario.assert_each_once()
    by_channel = {one.offset: (one.channel, one.attempt, one.key) for one in scenario.events("done")}
    assert by_channel == {
        offset: ("express" if offset % 2 else "", 1, f"k{offset}") for offset in range(COUNT)
    }
    own, express = set(daemon.at_work("handler")), set(daemon.at_work("handler", EXPRESS))
    assert {one.pid for one in scenario.events("done") if one.channel} <= express
    assert own.isdisjoint(express)
    assert scenario.dead() == []
    daemon.stop()


def test_a_retry_stays_in_its_channel_with_the_channels_own_policy_and_dead_set(
    scenario: Scenario, queues: Queues
) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(
        ALL_TO_EXPRESS
        + """
    @app.channel("r", "express")
    def express(number: int, message: Message) -> None:
        tell("call", message)
        if number == 50 or (number == 51 and message.attempt < 3):
            raise ConnectionError("the express line is down")
        tell("done", message)
    """
    )
    configure(scenario, queues, {"retry": {**AT_ONCE, "attempts": 3}}, retry={"attempts": 1, "first_s": 600})
    daemon = start(scenario)
    [entry] = scenario.wait_for_dead(1)
    assert (entry["offset"], entry["channel"], entry["attempt"]) == (50, "express", 3)
    assert (entry["error_class"], entry["error_message"]) == ("ConnectionError", "the express line is down")
    assert scenario.dead("--channel", "express") == [entry]
    assert scenario.dead("--channel", "") == []
    scenario.wait_for("done", COUNT - 1)
    calls = {
        number: [one.attempt for one in scenario.events("call") if one.offset == number]
        for number in (50, 51)
    }
    assert calls == {50: [1, 2, 3], 51: [1, 2, 3]}
    scenario.assert_each_once("sent")
    daemon.stop()


def test_killed_twice_in_a_channels_call_the_message_is_dead_there_and_its_neighbours_are_done(
    scenario: Scenario, queues: Queues
) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(
        ALL_TO_EXPRESS
        + """
    @app.channel("r", "express")
    def express(number: int, message: Message) -> None:
        if number == 50:
            wait_at("never", message)
        tell("done", message)
    """
    )
    configure(scenario, queues)
    daemon = start(scenario)
    for times in (1, 2):
        signals.send(scenario.wait_for("at never", times)[-1].pid, signal.SIGKILL)
    [entry] = scenario.wait_for_dead(1)
    assert (entry["offset"], entry["channel"], entry["error_class"]) == (50, "express", "HandlerCrash")
    scenario.wait_for("done", COUNT - 1)
    assert sorted(scenario.offsets()) == [number for number in range(COUNT) if number != 50]
    assert {line["child"].split("/")[0] for line in daemon.log("child ended")} == {"handler r.express"}
    daemon.stop()


def test_a_channel_has_its_own_time_limit_and_concurrency(scenario: Scenario, queues: Queues) -> None:
    scenario.produce_numbers(8)
    scenario.app(
        ALL_TO_EXPRESS
        + """
    @app.channel("r", "express")
    async def express(number: int, message: Message) -> None:
        tell("begun", message)
        await asyncio.sleep(60)
    """
    )
    settings = {"handlers": 1, "concurrency": 4, "timeout_s": 2, "retry": {"attempts": 1}}
    configure(scenario, queues, settings, concurrency=1, timeout_s=600)
    daemon = start(scenario, 1)
    dead = scenario.wait_for_dead(8)
    begun_s = [one.at_ns / 1e9 for one in scenario.events("begun")]
    assert begun_s[3] - begun_s[0] < 1.9 < begun_s[4] - begun_s[0], "four at once, then the limit"
    assert {(entry["error_class"], entry["channel"]) for entry in dead} == {("TimeoutError", "express")}
    daemon.stop()


def test_a_channel_that_fails_does_not_stop_its_route(scenario: Scenario, queues: Queues) -> None:
    count = 2000
    scenario.produce_numbers(count)
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message):
            tell("call", message)
            return To("express") if number % 2 else None

        @app.channel("r", "express")
        def express(number: int, message: Message) -> None:
            if not is_open("express line"):
                raise ConnectionError("the express line is down")
            tell("done", message)
    """)
    flood = {"failed_ratio": 0.5, "window_s": 5, "messages": 50, "probe_s": 0.5}
    configure(scenario, queues, {"handlers": 1, "retry": {**AT_ONCE, "attempts": 100}}, flood=flood)
    daemon = start(scenario, 1)
    eventually(lambda: daemon.log("flood: route paused"), 60)
    scenario.wait_for_settled()
    scenario.assert_each_once("call")
    assert {line["of_route"] for line in daemon.log("flood: route paused")} == {EXPRESS}
    scenario.open_gate("express line")
    scenario.wait_for("done", count // 2)
    assert scenario.dead() == []
    daemon.stop()


def test_a_channel_nobody_knows_is_the_dead_set_with_its_name(scenario: Scenario, queues: Queues) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message):
            tell("done", message)
            return To("expres") if number == 50 else To("express")

        @app.channel("r", "express")
        def express(number: int, message: Message) -> To:
            tell("done there", message)
            raise To("nowhere") if number == 51 else Skip("as asked")
    """)
    configure(scenario, queues)
    daemon = start(scenario)
    dead = {entry["offset"]: entry for entry in scenario.wait_for_dead(2)}
    assert {entry["error_class"] for entry in dead.values()} == {"UnknownChannel"}
    assert dead[50]["error_message"] == "route 'r' has no channel 'expres'; did you mean 'express'?"
    assert (dead[50]["channel"], dead[51]["channel"]) == ("", "express")
    scenario.wait_for("done there", COUNT - 1)
    scenario.wait_for_settled()
    assert len(scenario.dead()) == 2
    daemon.stop()


def test_from_channel_to_channel_a_message_goes_on_at_its_first_attempt(
    scenario: Scenario, queues: Queues
) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(
        ALL_TO_EXPRESS
        + """
    @app.channel("r", "express")
    def express(number: int, message: Message) -> To:
        tell("express", message)
        if message.attempt == 1 and number == 50:
            raise ConnectionError("once")
        return To("last")

    @app.channel("r", "last")
    def last(number: int, message: Message) -> None:
        tell("done", message)
    """
    )
    scenario.config(
        {"channels": {"express": {"handlers": 1, "retry": AT_ONCE}, "last": {"handlers": 1}}}, queues=queues
    )
    daemon = start(scenario, 1)
    eventually(lambda: not scenario.missing())
    scenario.assert_each_once()
    assert {(one.channel, one.attempt) for one in scenario.events("done")} == {("last", 1)}
    assert [one.attempt for one in scenario.events("express") if one.offset == 50] == [1, 2]
    daemon.stop()


@pytest.mark.parametrize("order", ["key", "partition"])
def test_what_leaves_for_a_channel_holds_back_nothing_of_its_key(
    scenario: Scenario, queues: Queues, order: str
) -> None:
    scenario.produce((str(number % 10), str(number)) for number in range(COUNT))
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message):
            tell("call", message)
            return To("express") if number < 10 else None

        @app.channel("r", "express")
        def express(number: int, message: Message) -> None:
            wait_at("gate", message)
            tell("done", message)
    """)
    configure(scenario, queues, order=order)
    daemon = start(scenario)
    scenario.wait_for_settled()
    scenario.assert_each_once("call")
    assert scenario.events("done") == []
    scenario.open_gate("gate")
    scenario.wait_for("done", 10)
    daemon.stop()


def test_a_reload_brings_the_channels_new_code(scenario: Scenario, queues: Queues) -> None:
    source = (
        ALL_TO_EXPRESS
        + """
    @app.channel("r", "express")
    def express(number: int, message: Message) -> None:
        tell("old", message)
    """
    )
    scenario.produce_numbers(COUNT)
    scenario.app(source)
    configure(scenario, queues)
    daemon = start(scenario)
    scenario.wait_for("old", COUNT)
    scenario.app(source.replace('"old"', '"new"'))
    before = daemon.at_work("handler", EXPRESS)
    daemon.signal(signal.SIGHUP)
    eventually(lambda: len(daemon.at_work("handler", EXPRESS)) == 2 * len(before))
    eventually(lambda: not set(before) & set(daemon.children("handler", EXPRESS).values()))
    scenario.produce_numbers(COUNT)
    scenario.wait_for("new", COUNT)
    assert len(scenario.events("old")) == COUNT
    daemon.stop()


def test_a_reload_that_takes_a_channels_handler_away_changes_nothing(
    scenario: Scenario, queues: Queues
) -> None:
    scenario.produce_numbers(1)
    express = """
    @app.channel("r", "express")
    def express(number: int, message: Message) -> None:
        tell("done", message)
    """
    scenario.app(ALL_TO_EXPRESS + express)
    configure(scenario, queues)
    daemon = start(scenario)
    scenario.app(ALL_TO_EXPRESS)
    daemon.signal(signal.SIGHUP)
    eventually(lambda: daemon.log("reload refused: nothing changes"))
    [refused] = daemon.log("reload refused: nothing changes")
    assert "channel 'express' of route 'r' is in the config but has no handler" in refused["reason"]
    scenario.wait_for("done")
    daemon.stop()


def test_a_stop_waits_for_the_channels_call_and_a_restart_repeats_nothing(
    scenario: Scenario, queues: Queues
) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(
        ALL_TO_EXPRESS
        + """
    @app.channel("r", "express")
    def express(number: int, message: Message) -> None:
        if number == 50:
            wait_at("gate", message)
        tell("done", message)
    """
    )
    configure(scenario, queues, {"handlers": 1})
    daemon = start(scenario, 1)
    scenario.wait_for("at gate")
    daemon.signal(signal.SIGTERM)
    never(lambda: not daemon.running, 1.5, "it ends before its call does")
    scenario.open_gate("gate")
    assert daemon.ended() == 0
    again = scenario.start()
    eventually(lambda: not scenario.missing())
    scenario.wait_for_settled()
    scenario.assert_each_once()
    again.stop()
