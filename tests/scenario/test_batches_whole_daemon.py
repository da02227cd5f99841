"""Batch routes of a whole daemon: full batches, the one bad message, order, processes that die in a batch."""

from collections import defaultdict

import pytest

from support.scenario import Event, Scenario
from support.waiting import eventually

COUNT = 300
BAD = 150
ALL_BUT_BAD = [each for each in range(COUNT) if each != BAD]
KINDS = pytest.mark.parametrize("prefix", ["", "async "], ids=["sync", "async"])


@KINDS
def test_a_backlog_is_loaded_in_full_batches_and_committed(scenario: Scenario, prefix: str) -> None:
    scenario.create_topic(partitions=3)
    scenario.produce_numbers(6000)
    scenario.app(f"""
        @app.batch_route("r")
        {prefix}def load(numbers: list[int], messages: list[Message]) -> None:
            tell("batch", note=len(numbers))
            for message in messages:
                tell("done", message)
    """)
    scenario.config({"handlers": 2, "batch": {"messages": 200}})
    daemon = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_each_once()
    sizes = [one.note for one in scenario.events("batch")]
    assert max(sizes) == 200
    assert sum(sizes) / len(sizes) > 50
    daemon.stop()


@KINDS
def test_a_message_that_always_fails_is_dead_alone_and_its_batch_is_done(
    scenario: Scenario, prefix: str
) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(f"""
        @app.batch_route("r")
        {prefix}def load(numbers: list[int], messages: list[Message]) -> None:
            tell("batch", messages[0], note=len(numbers))
            if {BAD} in numbers:
                raise ValueError("bad")
            for message in messages:
                tell("done", message)
    """)
    retry = {"attempts": 4, "first_s": 1, "max_s": 1}
    batch = {"messages": 512, "wait_s": 0.5}
    scenario.config({"handlers": 1, "flood": False, "batch": batch, "retry": retry})
    daemon = scenario.start()
    [entry] = scenario.wait_for_dead(1)
    scenario.wait_for_settled()
    assert (entry["offset"], entry["error_class"], entry["attempt"]) == (BAD, "ValueError", 4)
    assert sorted(scenario.offsets()) == ALL_BUT_BAD
    by_attempt: dict[int, set[int]] = defaultdict(set)
    for one in scenario.events("batch"):
        by_attempt[one.attempt].add(one.note)
    assert max(by_attempt[2]) <= 64
    assert max(by_attempt[3]) <= 8
    assert by_attempt[4] == {1}
    daemon.stop()


@KINDS
def test_in_a_batch_only_the_one_that_kills_is_counted(scenario: Scenario, prefix: str) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(f"""
        @app.batch_route("r")
        {prefix}def load(numbers: list[int], messages: list[Message]) -> None:
            if {BAD} in numbers:
                tell("kills", note=len(numbers))
                os.kill(os.getpid(), signal.SIGKILL)
            for message in messages:
                tell("done", message)
    """)
    scenario.config({"handlers": 2, "batch": {"messages": 100, "wait_s": 0.5}})
    daemon = scenario.start()
    [entry] = scenario.wait_for_dead(1)
    scenario.wait_for_settled()
    assert (entry["offset"], entry["error_class"], entry["crashes"]) == (BAD, "HandlerCrash", 2)
    assert sorted(set(scenario.offsets())) == ALL_BUT_BAD
    assert not scenario.repeats()
    assert [one.note for one in scenario.events("kills")][-2:] == [1, 1]
    daemon.stop()


def test_a_batch_that_hangs_is_killed_and_each_message_failed_once(scenario: Scenario) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(f"""
        @app.batch_route("r")
        def load(numbers: list[int], messages: list[Message]) -> None:
            if {BAD} in numbers:
                tell("hangs", messages[0], note=len(numbers))
                wait_at("never")
            for message in messages:
                tell("done", message)
    """)
    retry = {"attempts": 1}
    scenario.config({"handlers": 2, "timeout_s": 1, "batch": {"messages": 100}, "retry": retry})
    daemon = scenario.start()
    [entry] = scenario.wait_for_dead(1)
    scenario.wait_for_settled()
    assert (entry["offset"], entry["error_class"]) == (BAD, "TimeoutError")
    assert sorted(scenario.offsets()) == ALL_BUT_BAD
    daemon.stop()


@KINDS
def test_each_message_goes_where_the_batch_says(scenario: Scenario, prefix: str) -> None:
    scenario.produce_numbers(COUNT)
    scenario.app(f"""
        from ringmain import Batch

        @app.batch_route("r")
        {prefix}def load(numbers: list[int], messages: list[Message]) -> Batch:
            again = [n for n, message in enumerate(messages) if numbers[n] % 10 == 1 and message.attempt == 1]
            dead = [(message, "of seven") for message in messages if message.offset % 70 == 7]
            for n, message in enumerate(messages):
                if n not in again:
                    tell("done", message)
            return Batch(retry=again, dead=dead, after_s=1)
    """)
    scenario.config({"handlers": 2, "batch": {"messages": 100, "wait_s": 0.2}})
    daemon = scenario.start()
    dead = scenario.wait_for_dead(5)
    scenario.wait_for_settled()
    assert {entry["offset"] for entry in dead} == {7, 77, 147, 217, 287}
    assert {entry["error_message"] for entry in dead} == {"of seven"}
    eventually(lambda: sorted(scenario.offsets()) == [*range(COUNT)], 20, "what is tried again is done")
    assert {one.attempt for one in scenario.events("done") if one.offset % 10 == 1} == {2}
    daemon.stop()


def test_what_cannot_be_decoded_does_not_spoil_its_batch(scenario: Scenario) -> None:
    values = [b"%d" % n if n % 30 else b"{" for n in range(COUNT)]
    scenario.produce({"value": value} for value in values)
    scenario.app("""
        @app.batch_route("r")
        def load(numbers: list[int], messages: list[Message]) -> None:
            for message in messages:
                tell("done", message)
    """)
    scenario.config({"batch": {"messages": 100}})
    daemon = scenario.start()
    dead = scenario.wait_for_dead(10)
    scenario.wait_for_settled()
    assert {entry["offset"] for entry in dead} == {n for n in range(COUNT) if n % 30 == 0}
    assert sorted(scenario.offsets()) == [n for n in range(COUNT) if n % 30]
    daemon.stop()


def lines_of(events: list[Event], order: str) -> dict[object, list[int]]:
    found: dict[object, list[int]] = defaultdict(list)
    for one in events:
        found[(one.partition, one.key) if order == "key" else one.partition].append(one.offset)
    return found


@KINDS
@pytest.mark.parametrize("order", ["key", "partition"])
def test_batches_keep_the_order_while_they_fail_and_handlers_die(
    scenario: Scenario, order: str, prefix: str
) -> None:
    scenario.create_topic(partitions=3)
    scenario.produce(
        [{"value": b"%d" % n, "key": b"%d" % (n % 200), "partition": n % 3} for n in range(3000)]
    )
    scenario.app(f"""
        @app.batch_route("r")
        {prefix}def load(numbers: list[int], messages: list[Message]) -> None:
            assert len({{message.partition for message in messages}}) == 1
            if any(number % 397 == 5 and first_time(f"dies-{{number}}") for number in numbers):
                os._exit(9)
            if any(number % 211 == 7 and first_time(f"fails-{{number}}") for number in numbers):
                raise ConnectionError("not yet")
            for message in messages:
                tell("done", message)
    """)
    scenario.config(
        {
            "order": order,
            "handlers": 3,
            "flood": False,
            "max_crashes": 50,
            "batch": {"messages": 64, "wait_s": 0.02},
            "retry": {"first_s": 0.05, "max_s": 0.05},
        },
        log={"exceptions": "class"},
    )
    daemon = scenario.start()
    scenario.wait_for_settled()
    scenario.assert_all()
    for line, offsets in lines_of(scenario.events("done"), order).items():
        firsts = list(dict.fromkeys(offsets))
        assert firsts == sorted(firsts), f"{line}: {offsets}"
    daemon.stop()
