"""A daemon whose children are killed at random for a while: nothing is lost, repeats stay within the promise.

SOAK_S in the environment says how long (default 20 s), SOAK_SEED repeats a run.
"""

import os
import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from support import signals
from support.scenario import Daemon, Scenario
from support.waiting import eventually

PARTITIONS = 3
PREFETCH = 512
COURIER_HOLDS = 1024
DRAIN_S = 90.0


def soak_s() -> float:
    return float(os.environ.get("SOAK_S", "20")) / 2


@dataclass
class Killer:
    """Kills children at random and counts what each death may repeat at most."""

    scenario: Scenario
    daemon: Daemon
    luck: random.Random
    concurrency: int
    deaths: dict[str, int] = field(default_factory=dict)
    may_repeat: int = 0

    def strike(self) -> None:
        children = self.daemon.children()
        if not children:
            return
        title = self.luck.choice(sorted(children))
        committed = sum(self.scenario.kafka.committed(self.scenario.group, self.scenario.topic).values())
        with suppress(ProcessLookupError):
            signals.send(children[title], signal.SIGKILL)
        role = title.partition(" ")[0]
        self.deaths[role] = self.deaths.get(role, 0) + 1
        begun = len({one.place for one in self.scenario.events("begun")})
        self.may_repeat += {
            "handler": self.concurrency,
            "feeder": max(0, begun - committed) + PREFETCH,
            "courier": COURIER_HOLDS,
        }.get(role, 0)


@pytest.mark.parametrize(("order", "kind"), [("none", "sync"), ("key", "async")])
def test_nothing_is_lost_while_any_child_is_killed_at_any_time(
    scenario: Scenario, order: str, kind: str
) -> None:
    seed = int(os.environ.get("SOAK_SEED", random.getrandbits(32)))
    luck = random.Random(seed)
    print(f"SOAK_SEED={seed}")
    scenario.create_topic(partitions=PARTITIONS)
    prefix, work = ("async ", "await asyncio.sleep(0.005)") if kind == "async" else ("", "block_for(0.0005)")
    scenario.app(f"""
        @app.route("r")
        {prefix}def handle(number: int, message: Message):
            tell("begun", message)
            {work}
            if number % 101 == 0 and message.attempt == 1:
                raise ConnectionError("not yet")
            if number % 211 == 0:
                tell("dead", message)
                return Dead("so it is")
            tell("done", message)
    """)
    concurrency = 20 if kind == "async" else 1
    route = {"order": order, "handlers": 3, "flood": False, "max_crashes": 60}
    route |= {"concurrency": concurrency, "retry": {"first_s": 1 if order == "none" else 0.1, "max_s": 1}}
    scenario.config(route, log={"exceptions": "class"})
    daemon = scenario.start()
    daemon.wait_until_at_work()
    killer = Killer(scenario, daemon, luck, concurrency)
    produced, end_s = 0, time.monotonic() + soak_s()
    while time.monotonic() < end_s:
        batch = luck.randrange(50, 500)
        scenario.produce(
            (str(luck.randrange(300)), str(number)) for number in range(produced, produced + batch)
        )
        produced += batch
        killer.strike()
        begun = len(scenario.events("begun"))
        with suppress(AssertionError):  # at the pace of the work, and of no clock
            eventually(lambda begun=begun: len(scenario.events("begun")) > begun + 100, 0.5)
    eventually(lambda: not settled_never(scenario), DRAIN_S, f"all is handled (seed {seed})")
    scenario.wait_for_settled()
    report(scenario, killer, produced)
    assert daemon.running
    dead = scenario.wait_for_dead(1)
    assert {(entry["topic"], entry["partition"], entry["offset"]) for entry in dead} == {
        one.place for one in scenario.events("dead")
    }
    assert {entry["error_class"] for entry in dead} == {"Dead"}
    if order == "key":
        assert_no_key_goes_back(scenario)
    daemon.stop()


def settled_never(scenario: Scenario) -> set[tuple[str, int, int]]:
    return scenario.missing("done") & scenario.missing("dead")


def report(scenario: Scenario, killer: Killer, produced: int) -> None:
    repeats = sum(scenario.repeats("done").values())
    print(f"{produced} messages, {killer.deaths} killed, {repeats} repeated of {killer.may_repeat} allowed")
    assert repeats <= killer.may_repeat


def assert_no_key_goes_back(scenario: Scenario) -> None:
    """Between two commits lost to a dead feeder a key may start again, but it never skips ahead."""
    done: dict[tuple[int, str | None], set[int]] = {}
    ahead: dict[tuple[int, str | None], list[int]] = {}
    for one in scenario.events("begun"):
        ahead.setdefault((one.partition, one.key), []).append(one.offset)
    every = {line: sorted(set(offsets)) for line, offsets in ahead.items()}
    for one in scenario.events():
        line = (one.partition, one.key)
        if one.event == "begun":
            place = every[line].index(one.offset)
            before = every[line][:place]
            assert all(offset in done.get(line, set()) for offset in before), (
                f"{line} skipped to {one.offset}"
            )
        else:
            done.setdefault(line, set()).add(one.offset)
