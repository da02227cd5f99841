"""A daemon with nothing to do: it knows that it is at the end, and costs next to nothing."""

from datetime import UTC, datetime
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from support.nodes import partitions_of, table
from support.scenario import Daemon, Scenario
from support.waiting import eventually, never

FEEDERS = 4
IDLE_S = 10.0
WINDOWS = 3
SETTLED_S = 4.0
MOST_OF_A_CORE = 0.01
MOST_FEEDER_BYTES = 25_000_000

NOTHING = """
    @app.route("r")
    def handle(value: dict) -> None: ...
"""


def processes(daemon: Daemon) -> dict[str, psutil.Process]:
    """All of the daemon's, by title."""
    return {"supervisor": psutil.Process(daemon.pid)} | {
        title: psutil.Process(pid) for title, pid in daemon.children().items()
    }


def quiet_for_s(daemon: Daemon) -> float:
    """Since the last line of its log: nobody joins any more."""
    return (datetime.now(UTC) - datetime.fromisoformat(daemon.log()[-1]["time"])).total_seconds()


def own_bytes(pid: int) -> int:
    """PSS of everything but shared memory that has a name of ours: without the ring."""
    total, ring = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if not line[0].isupper():
            ring = "/memfd:" in line
        elif line.startswith("Pss:") and not ring:
            total += int(line.split()[1]) * 1024
    return total


def cpu_shares(daemon: Daemon, found: dict[str, psutil.Process]) -> dict[str, float]:
    """What each used of a core within the next window."""
    before = {title: sum(one.cpu_times()[:4]) for title, one in found.items()}
    never(lambda: not daemon.running, IDLE_S)
    return {title: (sum(one.cpu_times()[:4]) - before[title]) / IDLE_S for title, one in found.items()}


def test_an_idle_daemon_uses_no_processor_and_little_memory(scenario: Scenario) -> None:
    scenario.create_topic(FEEDERS)
    for partition in range(FEEDERS):
        scenario.produce([b"{}"] * 1000, partition=partition)
    scenario.app(NOTHING)
    scenario.config({"handlers": 2}, commit={"interval_s": 1})
    daemon = scenario.start()
    eventually(lambda: len(daemon.kafka_feeders()) == FEEDERS == len(partitions_of(daemon)), 60.0)
    scenario.wait_for_settled()
    eventually(lambda: quiet_for_s(daemon) > SETTLED_S and "scout" not in processes(daemon), 60.0)
    found = processes(daemon)
    for _ in range(WINDOWS):  # a neighbour's work only adds to what a window shows: a quiet one is enough
        used = cpu_shares(daemon, found)
        if sum(used.values()) <= MOST_OF_A_CORE:
            break
    bytes_of = {title: own_bytes(one.pid) for title, one in found.items()}
    rows = [("process", "CPU, % of a core", "PSS without ring, MB")]
    rows += [(title, f"{used[title]:.2%}", f"{bytes_of[title] / 1e6:.1f}") for title in sorted(found)]
    table("Idle", [*rows, ("all", f"{sum(used.values()):.2%}", f"{sum(bytes_of.values()) / 1e6:.1f}")])
    assert sum(used.values()) <= MOST_OF_A_CORE
    assert max(bytes_of[title] for title in daemon.kafka_feeders()) <= MOST_FEEDER_BYTES
    daemon.stop()


def test_committed_reaches_the_end_of_an_idle_topic_by_timer(scenario: Scenario) -> None:
    scenario.create_topic(2)
    scenario.produce([b"{}"] * 10, partition=0)
    scenario.app(NOTHING)
    scenario.config(commit={"interval_s": 0.2})
    daemon = scenario.start()
    eventually(lambda: scenario.kafka.committed(scenario.group, scenario.topic) == {0: 10, 1: 0}, 60)
    assert scenario.kafka.lag(scenario.group, scenario.topic) == 0
    daemon.stop()
