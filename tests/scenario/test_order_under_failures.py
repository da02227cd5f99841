"""Order holds whatever fails: per key (or partition) each message only after the one before it is settled."""

from collections import defaultdict

import pytest

from support.scenario import Event, Scenario
from support.waiting import eventually

KEYS = 1000
PARTITIONS = 3


def lines_of(events: list[Event], order: str) -> dict[object, list[int]]:
    """The offsets of each key of a partition, or of each partition, as they happened."""
    found: dict[object, list[int]] = defaultdict(list)
    for one in events:
        found[(one.partition, one.key) if order == "key" else one.partition].append(one.offset)
    return found


def assert_order_holds(scenario: Scenario, order: str) -> None:
    """First times are in order; a repeat after a crash may only be of the one that was under way."""
    for line, offsets in lines_of(scenario.events("begun"), order).items():
        highest = -1
        for offset in offsets:
            assert offset >= highest, f"{line}: {offset} begun after {highest}: {offsets}"
            highest = offset
    for line, offsets in lines_of(scenario.events("done"), order).items():
        assert offsets == sorted(offsets), f"{line}: {offsets}"


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("order", ["key", "partition"])
def test_order_holds_while_calls_fail_and_handlers_die(scenario: Scenario, order: str, kind: str) -> None:
    count = 6000 if order == "key" else 1500
    scenario.create_topic(partitions=PARTITIONS)
    prefix, work = ("async ", "await asyncio.sleep(0.001)") if kind == "async" else ("", "pass")
    scenario.app(f"""
        @app.route("r")
        {prefix}def handle(number: int, message: Message) -> None:
            tell("begun", message)
            {work}
            if number % 97 == 0 and message.attempt == 1:
                raise ConnectionError("not yet")
            if number % 499 == 3 and first_time(message.id.replace(":", "-")):
                os._exit(9)
            tell("done", message)
    """)
    scenario.config(
        {
            "order": order,
            "handlers": 3,
            "concurrency": 20 if kind == "async" else None,
            "flood": False,
            "max_crashes": 50,
            "retry": {"first_s": 0.05, "max_s": 0.05},
        },
        log={"exceptions": "class"},
    )
    daemon = scenario.start()
    # In a rebalance what waits for a handler that died is the next owner's, and what was done behind it too.
    parts = range(PARTITIONS)
    eventually(lambda: len({daemon.feeder_of(scenario.topic, one) for one in parts}) == PARTITIONS, 60)
    scenario.produce((str(number * 7919 % KEYS), str(number)) for number in range(count))
    scenario.wait_for_settled()
    scenario.assert_each_once()
    assert_order_holds(scenario, order)
    assert len(daemon.log("child ended")) >= 3
    assert scenario.dead() == []
    daemon.stop()


def test_two_calls_of_one_key_never_overlap_in_async_processes(scenario: Scenario) -> None:
    scenario.create_topic(partitions=2)
    scenario.produce((str(number % 5), str(number)) for number in range(600))
    scenario.app("""
        @app.route("r")
        async def handle(number: int, message: Message) -> None:
            tell("begun", message)
            await asyncio.sleep(0.002)
            tell("done", message)
    """)
    scenario.config({"order": "key", "handlers": 2, "concurrency": 50})
    daemon = scenario.start()
    scenario.wait_for_settled()
    under_way: set[object] = set()
    for one in scenario.events():
        key = (one.partition, one.key)
        if one.event == "begun":
            assert key not in under_way, f"two calls of {key} at once"
            under_way.add(key)
        else:
            under_way.discard(key)
    scenario.assert_each_once()
    daemon.stop()


def test_messages_without_a_key_have_no_order_to_keep(scenario: Scenario) -> None:
    scenario.produce([(None, "0"), *((None, str(number)) for number in range(1, 50))])
    scenario.app("""
        @app.route("r")
        def handle(number: int, message: Message) -> None:
            if number == 0:
                wait_at("gate", message)
            tell("done", message)
    """)
    scenario.config({"order": "key"})
    daemon = scenario.start()
    scenario.wait_for("done", 49)
    assert {place[2] for place in scenario.missing()} == {0}
    scenario.open_gate("gate")
    scenario.wait_for_settled()
    scenario.assert_each_once()
    daemon.stop()
