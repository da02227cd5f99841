"""Pools grow and shrink under load and keep their size; fresh processes take over from old ones, unseen."""

import time
from functools import partial

import pytest

from ringmain.control import Recycle, Scale
from support.nodes import handled_since, steady_load, stillness_s, table
from support.operator import PATIENCE_S, Operator, kafka_feeders
from support.scenario import Daemon, Scenario
from support.waiting import eventually

PARTITIONS = 2
HANDLERS = 2
BACKLOG = 15_000
LONGEST_STOP_S = 2.0
GENEROUSLY = 5
"""A loaded machine is slower; README has the figures of one that is not."""

APP = """
    @app.route("r")
    def handle(value: dict, message: Message) -> None:
        tell("done", message)
"""


def given(scenario: Scenario, **route: object) -> tuple[Daemon, Operator]:
    scenario.create_topic(PARTITIONS)
    scenario.app(APP)
    scenario.config({"consumers": PARTITIONS, "handlers": HANDLERS, **route})
    daemon = scenario.start()
    operator = Operator(scenario)
    operator.wait_until_owned(PARTITIONS, owners=PARTITIONS)
    daemon.wait_until_at_work(HANDLERS)
    return daemon, operator


def handlers(daemon: Daemon) -> set[int]:
    return set(daemon.children("handler").values())


def there_are(daemon: Daemon, wanted: int) -> bool:
    return len(handlers(daemon)) == wanted


def all_are_new(daemon: Daemon, before: set[int]) -> bool:
    now = handlers(daemon) | set(kafka_feeders(daemon))
    return not before & now and len(now) == HANDLERS + PARTITIONS


def at_work_numbers(daemon: Daemon, start: str) -> list[int]:
    """How many were at work, after each that came and each that ended."""
    steps = {"child at work": 1, "child ended": -1}
    numbers = [0]
    for line in daemon.log():
        if line["event"] in steps and line["child"].startswith(start):
            numbers.append(numbers[-1] + steps[line["event"]])
    return numbers


def finish(scenario: Scenario, daemon: Daemon) -> None:
    scenario.wait_for_settled(PATIENCE_S)
    scenario.assert_each_once()
    daemon.stop()


def test_a_pool_grows_and_shrinks_under_load_and_nothing_is_lost_or_repeated(scenario: Scenario) -> None:
    daemon, operator = given(scenario)
    with steady_load(scenario):
        for wanted in (6, 1, 3):
            operator.done(Scale("r", wanted, operator="ann"))
            eventually(partial(there_are, daemon, wanted), PATIENCE_S)
    finish(scenario, daemon)


def test_a_scaled_pool_keeps_its_size_over_a_restart_until_the_file_says_another_number(
    scenario: Scenario,
) -> None:
    daemon, operator = given(scenario)
    operator.done(Scale("r", 4))
    daemon.stop()
    again = scenario.start()
    eventually(lambda: len(handlers(again)) == 4, PATIENCE_S)
    again.stop()
    scenario.config({"consumers": PARTITIONS, "handlers": 3})
    last = scenario.start()
    operator.wait_until_owned(PARTITIONS)
    eventually(lambda: len(handlers(last)) == 3, PATIENCE_S)
    last.stop()


def test_what_the_ring_has_no_room_for_is_refused(scenario: Scenario) -> None:
    daemon, operator = given(scenario)
    assert "room for 64 handlers" in operator.refused(Scale("r", 65)).reason
    assert "pause" in operator.refused(Scale("r", 0)).reason
    assert operator.refused(Scale("nothing", 1)).unknown
    assert len(handlers(daemon)) == HANDLERS
    daemon.stop()


def test_all_handlers_are_replaced_one_by_one_under_load_and_nobody_notices(scenario: Scenario) -> None:
    """The fresh one is at work before the old one leaves, so at no time are there fewer than before."""
    daemon, operator = given(scenario)
    before = handlers(daemon)
    titles = sorted(daemon.children("handler"))
    with steady_load(scenario, pause_s=0.005):
        began_ns = time.monotonic_ns()
        for title in titles:
            operator.done(Recycle(title=title, operator="ann"))
        eventually(lambda: not before & handlers(daemon) and len(handlers(daemon)) == HANDLERS, PATIENCE_S)
        ended_ns = time.monotonic_ns()
        eventually(handled_since(scenario, ended_ns), PATIENCE_S)
    numbers = at_work_numbers(daemon, "handler r/")
    stops = stillness_s(scenario, began_ns)
    stop_ms: list[tuple[str, ...]] = [(str(part), f"{stop * 1000:.0f}") for part, stop in stops.items()]
    table(f"all handlers replaced in {(ended_ns - began_ns) / 1e9:.2f} s; longest stop, ms", stop_ms)
    assert min(numbers[numbers.index(HANDLERS) :]) == HANDLERS, numbers
    assert max(numbers) == HANDLERS + 1, numbers
    finish(scenario, daemon)


@pytest.mark.parametrize("order", ["none", "key"])
def test_in_the_middle_of_a_backlog_handlers_and_feeders_are_replaced_and_nothing_is_lost_or_repeated(
    scenario: Scenario, order: str
) -> None:
    scenario.create_topic(PARTITIONS)
    scenario.app("""
        @app.route("r")
        def handle(value: dict, message: Message) -> None:
            block_for(0.0005)
            tell("done", message)
    """)
    route = {"consumers": PARTITIONS, "handlers": HANDLERS, "order": order}
    scenario.config(route, ring={"messages": 256})  # so much is finished in time on any machine
    daemon, operator = scenario.start(), Operator(scenario)
    operator.wait_until_owned(PARTITIONS, owners=PARTITIONS)  # a rebalance may repeat: it is not meant here
    for partition in range(PARTITIONS):
        scenario.produce([(b"%d" % (n % 50), b"{}") for n in range(BACKLOG)], partition=partition)
    scenario.wait_for("done", BACKLOG // 10)
    for _ in range(2):
        before = handlers(daemon) | set(kafka_feeders(daemon))
        operator.done(Recycle(pool="r"))
        eventually(partial(all_are_new, daemon, before), PATIENCE_S)
    left = PARTITIONS * BACKLOG - len(scenario.events("done"))
    print(f"{left} messages were left when all had been replaced twice")
    scenario.wait_for("done", PARTITIONS * BACKLOG)
    finish(scenario, daemon)


def test_a_fresh_handler_that_does_not_come_to_work_leaves_the_old_ones_at_work(scenario: Scenario) -> None:
    daemon, operator = given(scenario)
    before = handlers(daemon)
    (scenario.folder / "shop.py").write_text("raise ImportError('half an upload')\n")
    operator.done(Recycle(pool="r"))
    eventually(lambda: daemon.log("replacing given up: a fresh process does not come to work"), PATIENCE_S)
    assert handlers(daemon) == before
    scenario.produce([b"{}"] * 10, partition=0)
    scenario.wait_for("done", 10)
    daemon.stop()


def test_feeders_are_replaced_one_by_one_and_a_partition_stops_for_a_moment(scenario: Scenario) -> None:
    daemon, operator = given(scenario)
    before = set(kafka_feeders(daemon))
    titles = sorted(daemon.kafka_feeders())
    with steady_load(scenario):
        began_ns = time.monotonic_ns()
        for title in titles:
            operator.done(Recycle(title=title))
        eventually(lambda: not before & set(kafka_feeders(daemon)), PATIENCE_S)
        operator.wait_until_owned(PARTITIONS, owners=PARTITIONS)
        eventually(handled_since(scenario, time.monotonic_ns()), PATIENCE_S)
    scenario.wait_for_settled(PATIENCE_S)
    stops = stillness_s(scenario, began_ns)
    table("longest stop of a partition, s", [(str(part), f"{stop:.2f}") for part, stop in stops.items()])
    scenario.assert_each_once()
    assert all(stop < GENEROUSLY * LONGEST_STOP_S for stop in stops.values()), stops
    assert not daemon.log("lost")
    daemon.stop()


def test_everything_of_a_node_is_replaced_under_load(scenario: Scenario) -> None:
    daemon, operator = given(scenario)
    before = {pid for pid, title in daemon.at_work().items() if not title.startswith(("scout", "probe"))}
    with steady_load(scenario):
        assert "one after another" in operator.done(Recycle()).text
        eventually(lambda: not before & set(daemon.children().values()), 2 * PATIENCE_S)
    finish(scenario, daemon)
