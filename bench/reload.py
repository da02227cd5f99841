"""What a reload of one route costs the others: their throughput with a reload over the same without.

`python bench/reload.py [--rounds N] [--seconds N]`. One daemon, two routes: `busy` works through a backlog
on all cores, of `other` a reload changes a time limit, so that its handlers are replaced and the app is
imported anew by the probe. Rounds alternate; each window begins with the reload. Counts are the daemon's
own, and each reload is checked to be one. Nothing is asserted: the floor of the ratio is 0.95.
"""

import argparse
import itertools
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from ringmain import asking, control
from support.environment import child_environment
from support.kafka_server import KafkaServer
from support.scenario import RINGMAIN, toml

PER_S = 20_000
"""More than two cores do: the backlog must last."""
FLOOR = 0.95
APP = """
from ringmain import App
app = App()

@app.route("busy")
def busy(value: int) -> None:
    sum(range(20_000))

@app.route("other")
def other(value: int) -> None: ...
"""


@dataclass
class Node:
    """The daemon under measurement."""

    folder: Path
    server: KafkaServer
    topics: dict[str, str]
    process: "subprocess.Popen[bytes] | None" = None

    def write(self, timeout_s: int) -> None:
        """The config file; `timeout_s` is what a reload changes."""
        routes = {
            name: {
                "topics": [topic], "order": "none", "handlers": os.cpu_count(), "consumers": 1,
                "kafka": {"group.id": f"bench-{name}"},
            }
            for name, topic in self.topics.items()
        }  # fmt: skip
        routes["other"]["timeout_s"] = timeout_s
        tree = {
            "app": "shop:app", "name": "bench", "node": "here", "modes": ["stream-worker", "worker"],
            "runtime_dir": str(self.folder / "run"), "state_dir": str(self.folder / "state"),
            "kafka": {"bootstrap.servers": self.server.bootstrap}, "queues": {"backend": "sqlite"},
            "routes": routes,
        }  # fmt: skip
        (self.folder / "ringmain.toml").write_text(toml(tree))

    def start(self) -> None:
        """`ringmain run`, until `busy` is at work."""
        (self.folder / "shop.py").write_text(APP)
        with open(self.folder / "log", "ab") as log:
            command = [*RINGMAIN, "run", str(self.folder / "ringmain.toml")]
            self.process = subprocess.Popen(command, stderr=log, env=child_environment())
        while not self.log().count('"event":"assigned"') >= 2:
            if self.process.poll() is not None:
                raise RuntimeError(self.log()[-2000:])
            time.sleep(0.1)
        while not self.done():
            time.sleep(0.1)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def ask(self, request: control.Request) -> control.Reply:
        return asking.ask(control.socket_path(str(self.folder / "run"), "bench", "here"), request)

    def done(self) -> int:
        """Calls of `busy` that ended well."""
        node = self.ask(control.Look())
        assert isinstance(node, control.Node), node
        return next(pool.outcomes["done"] for pool in node.pools if pool.key == "busy")

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)


def window(node: Node, seconds: float, timeout_s: int | None) -> float:
    """Messages of `busy` a second in one window; it begins with a reload if there is something to change."""
    reloads = node.log().count('"event":"reload done"')
    before, began_s = node.done(), time.monotonic()
    if timeout_s is not None:
        node.write(timeout_s)
        reply = node.ask(control.Reload())
        if not isinstance(reply, control.Done) or not reply.lines:
            raise RuntimeError(f"no reload: {reply}")
    time.sleep(max(0.0, seconds - (time.monotonic() - began_s)))
    after, ended_s = node.done(), time.monotonic()
    while timeout_s is not None and node.log().count('"event":"reload done"') == reloads:
        time.sleep(0.1)
    if after == before:
        raise RuntimeError("the backlog is at its end")
    return (after - before) / (ended_s - began_s)


@contextmanager
def staged(messages: int) -> Iterator[Node]:
    """A daemon at work on a backlog."""
    with tempfile.TemporaryDirectory(prefix="ringmain-bench-reload-") as name:
        (Path(name) / "kafka").mkdir()
        server = KafkaServer(Path(name) / "kafka")
        server.start()
        try:
            topics = {"busy": server.create_topic(), "other": server.create_topic()}
            server.produce(topics["busy"], (b"%d" % number for number in range(messages)))
            node = Node(Path(name), server, topics)
            node.write(30)
            node.start()
            try:
                yield node
            finally:
                node.stop()
        finally:
            server.close()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    limits = itertools.cycle([20, 30])
    with staged(int(PER_S * given.seconds * 2 * given.rounds)) as node:
        window(node, given.seconds / 2, None)
        rounds: list[tuple[float, float]] = []
        for number in range(given.rounds):
            if number % 2:
                reloaded, plain = window(node, given.seconds, next(limits)), window(node, given.seconds, None)
            else:
                plain, reloaded = window(node, given.seconds, None), window(node, given.seconds, next(limits))
            rounds.append((plain, reloaded))
            print(f"{plain:8,.0f}/s  with a reload {reloaded:8,.0f}/s  {reloaded / plain:.3f}", flush=True)
    ratios = sorted(reloaded / plain for plain, reloaded in rounds)
    median, spread = statistics.median(ratios), f"{ratios[0]:.3f}-{ratios[-1]:.3f}"
    print(
        f"reload of another route, {given.seconds:g} s windows: ratio {median:.3f} ({spread}), floor {FLOOR}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
