"""`ringmain demo`: broker, daemon and load come up, people look on, all goes away again.

`run` of the room enters. This process starts children and reads; it holds no Kafka client and
touches no message.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import msgspec

from ringmain import clock
from ringmain.demo import sample
from ringmain.demo.broker import EmbeddedBroker
from ringmain.demo.interrupts import Interrupts
from ringmain.demo.observer import QueueObserver
from ringmain.demo.processes import Daemon, Load
from ringmain.demo.snapshot import Partition, Rates, Snapshot, result
from ringmain.demo.view import View, view_for
from ringmain.queues.sqlite import SqliteQueues

TICK_S = 0.2

_FILES = ("orders.py", "tallied.py", "ringmain.toml")


@dataclass(frozen=True)
class Size:
    """What the command line asked for."""

    messages: int | None
    partitions: int
    handlers: int


def play(size: Size) -> int:
    """The demo from begin to end; the exit code of the command."""
    with Interrupts() as interrupts, ExitStack() as stack:
        demo = _open(stack, interrupts, size)
        with view_for(sys.stdout) as view:
            view.say(demo.welcome)
            last = _watch(demo, view, interrupts)
        seconds = demo.stopwatch.seconds
    if size.messages is None:
        return 0
    print(msgspec.json.encode(result(last, seconds)).decode(), flush=True)
    return 0 if last.complete else 1


@dataclass
class Stopwatch:
    """From the first message that the daemon settled to the last look."""

    begun_s: float | None = None
    seconds: float = 0.0

    def update(self, snapshot: Snapshot, now_s: float) -> None:
        """Start at the first sign of work, with the tick before it."""
        if self.begun_s is None and (snapshot.committed or snapshot.counted.retry):
            self.begun_s = now_s - TICK_S
        self.seconds = now_s - self.begun_s if self.begun_s is not None else 0.0


@dataclass
class Demo:
    """Everything that runs, and what it looked like before."""

    load: Load
    daemon: Daemon
    queues: QueueObserver
    welcome: str
    rates: Rates
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    started_s: float = field(default_factory=clock.monotonic_s)

    def look(self) -> Snapshot:
        """Take stock: Kafka first, then the queues, so that no message is missed in both."""
        self.daemon.check()
        tick = self.load.look()
        now_s = clock.monotonic_s()
        rates = self.rates.update(now_s - self.started_s, tick.committed)
        rows = zip(tick.delivered, tick.committed, rates, strict=True)
        snapshot = Snapshot(
            seconds=now_s - self.started_s,
            partitions=[Partition(number, *row) for number, row in enumerate(rows)],
            queued=self.queues.queued(),
            counted=self.daemon.counted(),
            load_finished=tick.finished,
        )
        self.stopwatch.update(snapshot, now_s)
        return snapshot


def _watch(demo: Demo, view: View, interrupts: Interrupts) -> Snapshot:
    """Show until it is complete or somebody wants the end; the last snapshot."""
    while True:
        snapshot = demo.look()
        view.show(snapshot)
        if snapshot.complete or interrupts.asked():
            return snapshot
        clock.sleep_s(TICK_S)


def _open(stack: ExitStack, interrupts: Interrupts, size: Size) -> Demo:
    """Start all, in the order in which the stack will end them backwards."""
    folder = stack.enter_context(_folder())
    broker = stack.enter_context(EmbeddedBroker())
    load = Load(broker.address, size.partitions, size.messages)
    daemon = Daemon(folder / "ringmain.toml", {"DEMO_BROKER": broker.address}, interrupts.again)
    daemon.override("app", "tallied:app")
    daemon.override(f"routes.{sample.ROUTE}.handlers", size.handlers)
    # All consumers at once: the embedded broker takes seconds for each change of a group.
    daemon.override(f"routes.{sample.ROUTE}.consumers", size.partitions)
    stack.enter_context(load)
    load.wait_for_the_topic()
    stack.enter_context(daemon)
    return Demo(
        load=load,
        daemon=daemon,
        queues=QueueObserver(SqliteQueues(sample.NAME, folder / "queues.db")),
        welcome=f"broker {broker.address}; app, config and log in {folder}; Ctrl-C ends",
        rates=Rates(size.partitions),
    )


@contextmanager
def _folder() -> Iterator[Path]:
    """A deployment of the sample app as a user has one: a folder with a config file and a module."""
    with tempfile.TemporaryDirectory(prefix="ringmain-demo-") as name:
        for each in _FILES:
            with resources.as_file(resources.files(__package__) / each) as source:
                shutil.copyfile(source, Path(name) / each)
        yield Path(name)
