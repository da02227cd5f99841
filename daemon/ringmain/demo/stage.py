"""`ringmain demo`: broker, daemon and load come up, people look on, all goes away again.

`run` of the room enters. This process starts children and reads; it holds no Kafka client and
touches no message.
"""

import sys
from contextlib import ExitStack
from dataclasses import dataclass, field

import msgspec

from ringmain import clock
from ringmain.demo import sample
from ringmain.demo.broker import LOOPBACK, EmbeddedBroker, free_port
from ringmain.demo.folder import folder
from ringmain.demo.interrupts import Interrupts
from ringmain.demo.observer import QueueObserver
from ringmain.demo.processes import LOG_NAME, Daemon, Load
from ringmain.demo.queues import place
from ringmain.demo.snapshot import Counted, Partition, Rates, Snapshot, result
from ringmain.demo.view import View, view_for

TICK_S = 0.1


@dataclass(frozen=True)
class Size:
    """What the command line asked for."""

    messages: int | None
    partitions: int
    handlers: int
    rabbitmq_url: str = ""


def play(size: Size) -> int:
    """The demo from begin to end; the exit code of the command."""
    with Interrupts() as interrupts, ExitStack() as stack:
        demo = _open(stack, interrupts, size)
        with view_for(sys.stdout) as view:
            for line in demo.welcome:
                view.say(line)
            last = _watch(demo, view, interrupts)
        if last.idle:
            print(
                f"nothing was handled; the daemon's last words:\n{demo.daemon.last_words()}", file=sys.stderr
            )
    if size.messages is None:
        return 0
    print(msgspec.json.encode(result(last, demo.stopwatch.seconds)).decode(), flush=True)
    return 0 if last.complete else 1


@dataclass
class Stopwatch:
    """From the daemon's last report before its first call to the last settlement."""

    begun_s: float = field(default_factory=clock.monotonic_s)
    running: bool = False
    seconds: float = 0.0

    def update(self, counted: Counted, settled_s: float) -> None:
        """Start where the counters leave zero; go on until nobody updates any more."""
        self.running = self.running or counted.calls > 0
        if self.running:
            self.seconds = settled_s - self.begun_s
        elif counted.at_s:
            self.begun_s = counted.at_s


@dataclass
class Demo:
    """Everything that runs, and what it looked like before."""

    load: Load
    daemon: Daemon
    queues: QueueObserver
    welcome: list[str]
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
        return Snapshot(
            seconds=now_s - self.started_s,
            partitions=[Partition(number, *row) for number, row in enumerate(rows)],
            queued=self.queues.queued(),
            counted=self.daemon.counted(),
            handlers=self.daemon.handlers(),
            load_finished=tick.finished,
        )

    def last_look(self) -> Snapshot:
        """Once more, when the daemon has counted everything that is settled by now."""
        now_s = clock.monotonic_s()
        while self.daemon.counted().at_s <= now_s:
            clock.sleep_s(TICK_S / 5)
        return self.look()


def _watch(demo: Demo, view: View, interrupts: Interrupts) -> Snapshot:
    """Show until it is complete or somebody wants the end; the last snapshot."""
    while True:
        snapshot = demo.look()
        demo.stopwatch.update(snapshot.counted, clock.monotonic_s())
        if snapshot.complete:
            snapshot = demo.last_look()
        view.show(snapshot)
        if snapshot.complete or interrupts.asked():
            return snapshot
        clock.sleep_s(TICK_S)


def _open(stack: ExitStack, interrupts: Interrupts, size: Size) -> Demo:
    """Start all, in the order in which the stack will end them backwards."""
    where = stack.enter_context(folder())
    kept = stack.enter_context(place(where, size.rabbitmq_url))
    broker = stack.enter_context(EmbeddedBroker())
    load = Load(broker.address, size.partitions, size.messages)
    daemon = Daemon(where / "ringmain.toml", {"DEMO_BROKER": broker.address}, interrupts.again)
    for key, value in kept.overrides.items():
        daemon.override(key, value)
    page = f"{LOOPBACK}:{free_port()}"  # the usual address may be another daemon's
    daemon.override("admin.bind", page)
    daemon.override(f"routes.{sample.ROUTE}.handlers", size.handlers)
    # All consumers at once: the embedded broker takes a second or more for each change of a group.
    daemon.override(f"routes.{sample.ROUTE}.consumers", size.partitions)
    stack.enter_context(load)
    load.wait_for_the_topic()
    stack.enter_context(daemon)
    return Demo(
        load=load,
        daemon=daemon,
        queues=QueueObserver(kept.queues),
        welcome=[
            f"broker  {broker.address}, Kafka-compatible, in memory; topic {sample.TOPIC}",
            kept.said,
            f"page    http://{page}/, or: ringmain top http://{page}",
            f"app     {where}: orders.py, ringmain.toml, {LOG_NAME}",
            "orders  1 in 100 fails at first, 1 in 1,000 is no order, 1 in 100,000 kills",
            "        its handler process. Kill one yourself (ps ax). Ctrl-C ends.",
        ],
        rates=Rates(size.partitions),
    )
