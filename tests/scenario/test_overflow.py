"""Overflow on a real Kafka: a burst leaves for the queues within seconds, and the work goes on from there.

The handlers do about 200 messages a second until the gate `fast` is open. RINGMAIN_OVERFLOW_MESSAGES says how
large the burst is.
"""

import contextlib
import os
import random
import re
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ringmain import clock
from ringmain.config.schema import Config
from ringmain.queues import names
from ringmain.queues.connect import connect
from ringmain.queues.envelope import Packed
from support import signals
from support.leftovers import Leftovers, alive, descendants
from support.nodes import shares, start_node
from support.queue_backends import bring
from support.rabbit_server import RabbitServer
from support.scenario import ROUTE, Daemon, Scenario
from support.waiting import eventually

MESSAGES = int(os.environ.get("RINGMAIN_OVERFLOW_MESSAGES", "20000"))
PARTITIONS = 2
AFTER_S = 1.0
SETTLED_S = 30.0
BACKENDS = ["sqlite", "rabbitmq"]
MANY_S = 60.0
ALL_DONE_S = 30.0 + MESSAGES / 1000
APP = """
    @app.route("r")
    async def handle(value: dict, message: Message) -> None:
        tell("begun", message)
        if not is_open("fast"):
            await asyncio.sleep(0.1)
        tell("done", message)
"""


def given(scenario: Scenario, queues: dict[str, Any], **more: Any) -> None:
    """Two partitions with small rings, and a pool of two handlers with ten calls each."""
    scenario.create_topic(PARTITIONS)
    scenario.app(APP)
    route = {"handlers": 2, "concurrency": 10, "overflow": {"after_s": AFTER_S}, **more}
    scenario.config(route, queues=queues, ring={"messages": 1024})


def started(scenario: Scenario) -> Daemon:
    """A node at work, each of its feeders with its partition."""
    daemon = scenario.start()
    daemon.wait_until_at_work(2)
    eventually(lambda: shares(daemon) == [[1] * PARTITIONS], MANY_S)
    return daemon


def burst(scenario: Scenario, messages: int = MESSAGES) -> None:
    each = messages // PARTITIONS
    for partition in range(PARTITIONS):
        scenario.produce([b'{"n":%d}' % number for number in range(each)], partition=partition)


def overflows(*daemons: Daemon) -> bool:
    """Every Kafka feeder has said so."""
    return sum(len(daemon.log("overflow begins")) for daemon in daemons) >= PARTITIONS


def overflowing(daemon: Daemon) -> set[int]:
    """The feeders that live and whose last word about it is that it has begun."""
    last = {line["pid"]: line["event"] for line in daemon.log() if line["event"].startswith("overflow ")}
    return {pid for pid, event in last.items() if event == "overflow begins" and alive(pid)}


def in_the_middle_of_it(scenario: Scenario, daemon: Daemon, messages: int) -> None:
    """Burst, until some feeder overflows.

    One that overflows still takes what comes now straight to the queues, and says nothing anew. And where
    handlers have kept up with a burst, so that its rule had no cause to fire, another one follows.
    """
    for _ in range(5):
        burst(scenario, messages)
        eventually(lambda: overflowing(daemon) or not kafka_lag(scenario), 2 * MANY_S, "overflow, or no lag")
        if overflowing(daemon):
            return
    raise AssertionError("handlers keep up with every burst")


def queued(scenario: Scenario, queues: dict[str, Any]) -> dict[str, int]:
    """What is in the queues, by name."""
    settings = connect(config_of(scenario, queues)).depths()
    return {name: depth.messages for name, depth in settings.items()}


def config_of(scenario: Scenario, queues: dict[str, Any]) -> Config:
    from ringmain.config.load import load

    return load(scenario.folder / "ringmain.toml")


def finish(scenario: Scenario, queues: dict[str, Any], messages: int = MESSAGES) -> None:
    """Let handlers run, see all of it done and nothing left in the queues."""
    scenario.open_gate("fast")
    scenario.wait_for("done", messages, ALL_DONE_S)
    scenario.wait_for_settled()
    scenario.assert_all()
    eventually(lambda: not queued(scenario, queues), message="the queues are empty")


def by_node(scenario: Scenario, since: int, **daemons: Daemon) -> Counter[str]:
    """Who did what was done after the first `since`."""
    owner = {pid: name for name, daemon in daemons.items() for pid in descendants(daemon.pid)}
    return Counter(owner[event.pid] for event in scenario.events("done")[since:])


def test_a_burst_is_committed_within_seconds_while_its_work_is_still_being_done(
    scenario: Scenario, queues: dict[str, Any]
) -> None:
    given(scenario, queues)
    daemon = started(scenario)
    burst(scenario)
    eventually(lambda: overflows(daemon), 60)
    began_s = clock.monotonic_s()
    scenario.wait_for_settled(SETTLED_S)
    took_s = clock.monotonic_s() - began_s
    done = len(scenario.events("done"))
    print(f"committed {MESSAGES} messages {took_s:.1f} s after overflow began, {done} of them done")
    assert done < MESSAGES / 3
    assert queued(scenario, queues).keys() == {names.overflow(scenario.group, ROUTE)}

    # What comes now does not wait behind all of that.
    eventually(lambda: not overflowing(daemon))
    end = MESSAGES // PARTITIONS
    scenario.produce([b"{}"] * 20, partition=0)
    fresh = {(0, end + number) for number in range(20)}
    eventually(lambda: fresh <= {(e.partition, e.offset) for e in scenario.events("done")}, 40)
    assert len(scenario.events("done")) < MESSAGES / 2

    finish(scenario, queues, MESSAGES + 20)
    scenario.assert_each_once()
    assert {event.attempt for event in scenario.events("done")} == {1}
    eventually(lambda: len(daemon.log("overflow ends")) == len(daemon.log("overflow begins")))
    [full_s] = re.findall(r"^the ring was full for ([\d.]+)", daemon.log("overflow begins")[0]["reason"])
    assert AFTER_S <= float(full_s) < SETTLED_S
    assert scenario.dead() == []
    daemon.stop()


def test_a_worker_on_another_node_takes_half_of_the_work(scenario: Scenario, queues: dict[str, Any]) -> None:
    given(scenario, queues)
    first = start_node(scenario, "first")
    first.wait_until_at_work(2)
    eventually(lambda: shares(first) == [[1] * PARTITIONS], MANY_S)
    burst(scenario)
    scenario.wait_for("done", 100)
    eventually(lambda: overflows(first), 60)
    scenario.wait_for_settled(SETTLED_S)
    second = start_node(scenario, "second", 'modes=["worker"]')
    so_far = len(scenario.events("done"))
    eventually(lambda: by_node(scenario, so_far, first=first, second=second)["second"] > 20, 60)
    so_far = len(scenario.events("done"))
    eventually(lambda: len(scenario.events("done")) >= so_far + 1500, 60)
    did = by_node(scenario, so_far, first=first, second=second)
    print(f"of the next 1500: {did}")
    assert min(did["first"], did["second"]) > 0.4 * did.total()
    finish(scenario, queues)
    scenario.assert_each_once()
    for node in (first, second):
        node.stop()


def test_a_stop_in_the_middle_of_it_repeats_nothing(scenario: Scenario, queues: dict[str, Any]) -> None:
    given(scenario, queues)
    for _ in range(2):
        daemon = started(scenario)
        burst(scenario, MESSAGES // 2)
        eventually(lambda: overflows(daemon), 60)  # noqa: B023
        already = len(scenario.events("done"))
        scenario.wait_for("done", already + 300)
        daemon.stop(40)
    daemon = scenario.start()
    finish(scenario, queues)
    scenario.assert_each_once()
    daemon.stop()


def test_a_rebalance_in_the_middle_of_it_repeats_nothing(scenario: Scenario, queues: dict[str, Any]) -> None:
    given(scenario, queues)
    first = start_node(scenario, "first")
    first.wait_until_at_work(2)
    eventually(lambda: shares(first) == [[1] * PARTITIONS], MANY_S)
    burst(scenario, MESSAGES // 2)
    eventually(lambda: overflows(first), 60)
    burst(scenario, MESSAGES // 2)
    second = start_node(scenario, "second")
    eventually(lambda: shares(first, second) == [[1], [1]], MANY_S)
    eventually(lambda: not kafka_lag(scenario), MANY_S)
    finish(scenario, queues)
    scenario.assert_each_once()
    for node in (second, first):
        node.stop()


def kafka_lag(scenario: Scenario) -> int:
    committed = scenario.kafka.committed(scenario.group, scenario.topic)
    ends = scenario.kafka.end_offsets(scenario.topic)
    return sum(end - (committed.get(partition) or 0) for partition, end in ends.items())


@contextlib.contextmanager
def locked_file(path: str) -> Iterator[None]:
    """While the block runs nothing can be written to the queue file."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextlib.contextmanager
def stopped(server: RabbitServer) -> Iterator[None]:
    """While the block runs the broker is down."""
    server.stop_app()
    yield
    server.start_app()


Outage = Callable[[], contextlib.AbstractContextManager[None]]


@pytest.fixture(params=BACKENDS)
def fragile(
    scenario: Scenario, request: pytest.FixtureRequest, tmp_path: Path, leftovers: Leftovers
) -> Iterator[tuple[dict[str, Any], Outage]]:
    """`[queues]` of the test's own, and what makes them unusable for a while."""
    if request.param == "sqlite":
        path = str(tmp_path / "queues.db")
        yield {"backend": "sqlite", "path": path}, lambda: locked_file(path)
        return
    server: RabbitServer = request.getfixturevalue("own_rabbit")
    yield {"backend": "rabbitmq", "url": server.url}, lambda: stopped(server)
    leftovers.allow_process(server.pid)
    leftovers.allow_process(server.epmd_pid)


def test_queues_that_are_away_when_it_begins_lose_nothing_and_handlers_go_on(
    scenario: Scenario, fragile: tuple[dict[str, Any], Outage]
) -> None:
    queues, unusable = fragile
    given(scenario, queues)
    daemon = started(scenario)
    with unusable():
        burst(scenario)
        eventually(lambda: overflows(daemon), 60)
        eventually(lambda: len(daemon.log("overflow ends")) >= PARTITIONS, 60)
        assert all("confirmed nothing" in line["reason"] for line in daemon.log("overflow ends"))
        so_far = len(scenario.events("done"))
        scenario.wait_for("done", so_far + 600)
        # First what is committed, then what is done: the other way round both go on between the looks.
        committed = scenario.kafka.committed(scenario.group, scenario.topic)
        done = {(event.partition, event.offset) for event in scenario.events("done")}
        for partition, end in committed.items():
            assert {(partition, offset) for offset in range(end or 0)} <= done
    eventually(lambda: len(daemon.log("overflow begins")) > PARTITIONS, 60)
    scenario.wait_for_settled()
    finish(scenario, queues)
    if queues["backend"] == "sqlite":
        scenario.assert_each_once()  # a server may have kept what it could not confirm any more
    daemon.stop()


def test_kill_9_of_courier_feeders_and_handlers_in_the_middle_of_it_loses_nothing(
    scenario: Scenario, queues: dict[str, Any]
) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    given(scenario, queues, max_crashes=60)
    daemon = started(scenario)
    for _ in range(6):
        in_the_middle_of_it(scenario, daemon, MESSAGES // 6 // PARTITIONS * PARTITIONS)
        for role in ("courier", "feeder", "feeder", "handler"):
            pids = list(daemon.children(role).values())
            if pids:
                with contextlib.suppress(ProcessLookupError):
                    signals.send(chance.choice(pids), signal.SIGKILL)
    scenario.open_gate("fast")
    scenario.wait_for_settled()
    eventually(lambda: not queued(scenario, queues), ALL_DONE_S, "the queues are empty")
    eventually(lambda: not scenario.missing(), ALL_DONE_S)
    print(f"{scenario.repeats().total()} done again")
    assert scenario.dead() == []
    daemon.stop()


def test_a_broken_frame_goes_to_the_dead_set_with_its_body_and_stops_nobody(
    scenario: Scenario, queues: dict[str, Any]
) -> None:
    given(scenario, queues)
    scenario.produce([b"{}"])
    scenario.open_gate("fast")
    daemon = scenario.start()
    scenario.wait_for("done")
    with closing(connect(config_of(scenario, queues)).publisher()) as publisher:
        bring(publisher, names.overflow(scenario.group, ROUTE), [Packed(b"no frame", 1)])
    (entry,) = scenario.wait_for_dead(1)
    assert (entry["error_class"], entry["value"], entry["topic"]) == ("ForeignMessage", "no frame", "")
    assert "not a frame" in entry["error_message"]
    scenario.produce([b"{}"])
    scenario.wait_for("done", 2)
    daemon.stop()


@pytest.mark.parametrize("order", ["key", "partition"])
def test_overflow_with_an_order_is_refused(scenario: Scenario, order: str) -> None:
    scenario.create_topic()
    scenario.app(APP)
    scenario.config({"order": order, "overflow": {"after_s": 1.0}})
    daemon = scenario.start()
    assert daemon.ended() == 3
    assert 'needs order = "none"' in daemon.log_text()
