"""Several nodes of one scenario: started under names of their own, and which of them owns what now.

tests/scenario/test_group_*.py and test_broker_*.py enter. What a node owns is read from its supervisor's log;
who handled a message, and when, from what the handlers wrote down.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

from support.scenario import ROUTE, Daemon, Scenario

APP = """
    @app.route("r")
    def handle(value: dict, message: Message) -> None:
        tell("done", message, note=os.environ.get("RINGMAIN_TEST_NODE"))
"""
STEADY_PAUSE_S = 0.02


def start_node(scenario: Scenario, name: str, *settings: str) -> Daemon:
    """`ringmain run` on the scenario's config as the node `name`, with directories of its own."""
    own = [
        f"node={name}",
        f"runtime_dir={scenario.folder / 'run' / name}",
        f"state_dir={scenario.folder / f'state-{name}'}",
        *settings,
    ]
    return scenario.start(*[word for one in own for word in ("--set", one)])


def owned(daemon: Daemon, route: str = ROUTE) -> dict[str, list[str]]:
    """Per living Kafka feeder, by title: what it owns, as `topic/partition`."""
    found: dict[str, list[str]] = {}
    for line in daemon.log():
        child = line.get("child", "")
        if line["event"] == "assigned" and child.startswith(f"feeder {route}/"):
            found[child] = [] if line["partitions"] == "none" else line["partitions"].split()
        elif line["event"] == "child ended":
            found.pop(child, None)
    return found if daemon.running else {}


def partitions_of(daemon: Daemon, route: str = ROUTE) -> list[str]:
    """Everything that a node owns."""
    return sorted(pair for pairs in owned(daemon, route).values() for pair in pairs)


def shares(*daemons: Daemon) -> list[list[int]]:
    """Per node: how many partitions each of its feeders has, smallest first."""
    return [sorted(len(pairs) for pairs in owned(one).values()) for one in daemons]


class Load:
    """A steady producer: numbered messages to every partition in turn, until told to end."""

    def __init__(self, scenario: Scenario, pause_s: float = STEADY_PAUSE_S) -> None:
        self._scenario, self._pause_s = scenario, pause_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sent = 0
        self.failed: list[BaseException] = []

    def _run(self) -> None:
        try:
            partitions = self._scenario.kafka.partitions(self._scenario.topic)
            while not self._over.wait(self._pause_s):
                for partition in partitions:
                    self.sent += self._scenario.produce([b'{"n":%d}' % self.sent], partition=partition)
        except BaseException as error:
            self.failed.append(error)

    def begin(self) -> None:
        """From now on."""
        self._thread.start()

    def end(self) -> None:
        """No more; raises what went wrong in between."""
        self._over.set()
        self._thread.join()
        if self.failed:
            raise self.failed[0]


@contextmanager
def steady_load(scenario: Scenario, pause_s: float = STEADY_PAUSE_S) -> Iterator[Load]:
    """Messages keep coming while the block runs."""
    load = Load(scenario, pause_s)
    load.begin()
    try:
        yield load
    finally:
        load.end()


def stillness_s(scenario: Scenario, since_ns: int) -> dict[int, float]:
    """Per partition: the longest time without a handled message that ended after `since_ns`."""
    at_ns: dict[int, list[int]] = defaultdict(list)
    for one in scenario.events("done"):
        at_ns[one.partition].append(one.at_ns)
    return {
        part: max((b - a for a, b in pairwise(sorted(times)) if b > since_ns), default=0) / 1e9
        for part, times in at_ns.items()
    }


def handled_since(scenario: Scenario, since_ns: int) -> Callable[[], bool]:
    """A condition: every partition has had a message handled that came after `since_ns`."""
    wanted = set(scenario.kafka.partitions(scenario.topic))
    return lambda: wanted <= {one.partition for one in scenario.events("done") if one.at_ns > since_ns}


def table(title: str, rows: list[tuple[str, ...]]) -> None:
    """Print a table that README can take over (pytest -s, or -rA)."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print(f"\n{title}")
    for row in rows:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
