"""The rows of the table: what is compared with what, over which backlog, and how the figures are taken.

drain.py enters. Rounds alternate between the clients of a row and medians are shown; nothing is judged here
beyond the verification of each run.
"""

import array
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import participants as who
import producing
from backlog import Backlog
from messages import message
from participants import BENCH, Participant, RouteSettings, ringmain
from processes import cpu_s, private_pss_bytes
from stage import Client, Result, RunFailed, Stage, Task
from work import FAILS_ONE_IN

from support.rabbit_server import BENCH_ERLANG, RabbitServer


@dataclass(frozen=True)
class Scale:
    """How much of everything; `--quick` is a look, not a measurement."""

    rounds: int = 5
    noop: int = 2_000_000
    spin: int = 200_000
    failing: int = 400_000
    wait: int = 100_000
    slow: int = 100_000
    produce: int = 1_000_000
    slow_s: float = 20.0
    paced_s: float = 20.0
    idle_s: float = 30.0
    peers: bool = True


LEAST = 10_000  # messages for the slowest client: below that a figure says nothing
QUICK = Scale(
    rounds=1,
    noop=400_000,
    spin=40_000,
    failing=40_000,
    produce=200_000,
    wait=20_000,
    slow_s=5.0,
    paced_s=5.0,
    idle_s=8.0,
)


@dataclass
class Line:
    """One printed line: a figure beside its reference."""

    row: str
    client: str
    figure: float
    unit: str
    reference: str = ""
    ratio: float | None = None
    goal: str = ""
    problem: str = ""
    spread: tuple[float, float] | None = None
    """The least and the greatest of the rounds."""
    ratios: tuple[float, float] | None = None
    """The same of the ratios."""


@dataclass(frozen=True)
class Row:
    """One thing that is measured."""

    name: str
    measure: Callable[[Stage, Scale], Iterator[Line]]


@dataclass
class Series:
    """The results of several clients over alternating rounds."""

    results: dict[str, list[Result]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def median(self, name: str, figure: str) -> float | None:
        found = self._figures(name, figure)
        return statistics.median(found) if found else None

    def spread(self, name: str, figure: str) -> tuple[float, float]:
        found = self._figures(name, figure)
        return min(found), max(found)

    def ratios(self, name: str, reference: str, figure: str) -> list[float]:
        """Round by round, smallest first."""
        pairs = zip(self._figures(name, figure), self._figures(reference, figure), strict=False)
        return sorted(one / other for one, other in pairs if other)

    def _figures(self, name: str, figure: str) -> list[float]:
        return [getattr(result, figure) for result in self.results.get(name, [])]


def alternate(scale: Scale, clients: Sequence[Participant], run: Callable[[Participant], Result]) -> Series:
    """Each client once a round, each other round backwards; one that cannot run is left out and says why."""
    series = Series(problems={one.name: one.missing() for one in clients if one.missing()})
    for number in range(scale.rounds):
        for client in clients if number % 2 == 0 else reversed(clients):
            if client.name in series.problems:
                continue
            try:
                series.results.setdefault(client.name, []).append(run(client))
            except RunFailed as failure:
                series.problems[client.name] = str(failure)
                series.results.pop(client.name, None)
    return series


@dataclass(frozen=True)
class Compared:
    """How a row's figure is shown: its unit, factor, and whom it is divided by."""

    row: str
    figure: str
    unit: str
    reference: str
    goal: str

    def lines(self, series: Series, clients: Sequence[Participant]) -> Iterator[Line]:
        for client in clients:
            value = series.median(client.name, self.figure)
            goal = self.goal if client.name == "ringmain" else ""
            if value is None:
                problem = series.problems.get(client.name, "no result")
                yield Line(self.row, client.name, 0.0, self.unit, goal=goal, problem=problem)
                continue
            ratios = series.ratios(client.name, self.reference, self.figure)
            ratio, between = (statistics.median(ratios), (ratios[0], ratios[-1])) if ratios else (None, None)
            spread = series.spread(client.name, self.figure)
            figures = (self.row, client.name, value, self.unit, self.reference)
            yield Line(*figures, ratio, goal, spread=spread, ratios=between)


def drained(stage: Stage, partitions: int, count: int, task: Task) -> Callable[[Participant], Result]:
    """Run a client over its share of a backlog."""

    def run(client: Participant) -> Result:
        with stage.backlogs.held(partitions, max(LEAST, int(count * client.share))) as held:
            return stage.drain(client, held, task)

    return run


def noop(stage: Stage, scale: Scale) -> Iterator[Line]:
    clients = [ringmain(), who.LOOP, who.PAIR]
    if scale.peers:
        clients += [who.PLAIN_LOOP, who.AIOKAFKA, who.FASTSTREAM_BATCH, who.FASTSTREAM]
        clients += [who.ARROYO, who.ARROYO_PROCESSES]
    series = alternate(scale, clients, drained(stage, 4, scale.noop, Task("noop")))
    yield from Compared("no-op, CPU", "cpu_us", "us/msg", "loop", "<= 1.0, aim 0.7").lines(series, clients)
    yield from Compared("no-op", "messages_per_s", "msg/s", "loop", ">= 1.3, aim 2").lines(series, clients)
    both = [ringmain(), who.PAIR]
    yield from Compared("no-op", "messages_per_s", "msg/s", "pair of loops", ">= 1.0, aim 1.4").lines(
        series, both
    )


def batch(stage: Stage, scale: Scale) -> Iterator[Line]:
    """The same messages one a call and 500 a call, typed decoding in both."""
    batches = Participant("ringmain, 500 a call", ringmain(RouteSettings(app="batch")).commands, "ringmain")
    clients = [ringmain(), batches]
    series = alternate(scale, clients, drained(stage, 4, scale.noop, Task("noop")))
    for line in Compared("no-op in batches, CPU", "cpu_us", "us/msg", "ringmain", "").lines(series, clients):
        line.goal = "<= 0.97, aim 0.9" if line.client == batches.name else ""
        yield line
    yield from Compared("no-op in batches", "messages_per_s", "msg/s", "ringmain", "").lines(series, clients)
    if not scale.peers:
        return
    both = [batches, who.FASTSTREAM_BATCH]
    series = alternate(scale, both, drained(stage, 4, scale.noop, Task("noop")))
    row = Compared("batches beside a peer's, CPU", "cpu_us", "us/msg", batches.name, "")
    for line in row.lines(series, both):
        line.goal = ">= 2, aim 3" if line.client != batches.name else ""
        yield line


def spin(stage: Stage, scale: Scale) -> Iterator[Line]:
    clients = [ringmain(), who.PAIR]
    if scale.peers:
        clients += [who.AIOKAFKA, who.FASTSTREAM_BATCH, who.FASTSTREAM, who.ARROYO, who.ARROYO_PROCESSES]
    series = alternate(scale, clients, drained(stage, 4, scale.spin, Task("spin")))
    yield from Compared("30 us of CPU", "messages_per_s", "msg/s", "pair of loops", ">= 0.97").lines(
        series, clients
    )


def spin_one_partition(stage: Stage, scale: Scale) -> Iterator[Line]:
    clients = [ringmain(), who.LOOP]
    series = alternate(scale, clients, drained(stage, 1, scale.spin, Task("spin")))
    yield from Compared("30 us of CPU, one partition", "messages_per_s", "msg/s", "loop", ">= 1.7").lines(
        series, clients
    )


def wait(stage: Stage, scale: Scale) -> Iterator[Line]:
    ideal = 2 * 100 / 0.010
    clients = [ringmain(RouteSettings(handlers=2, concurrency=100))]
    if scale.peers:
        clients += [who.AIOKAFKA, who.FASTSTREAM_BATCH]
    series = alternate(scale, clients, drained(stage, 1, scale.wait, Task("wait")))
    for line in Compared("10 ms of waiting", "messages_per_s", "msg/s", "ideal", ">= 17,000/s").lines(
        series, clients
    ):
        line.ratio = line.figure / ideal if not line.problem else None
        line.reference = "ideal 20,000/s"
        yield line


def produce(stage: Stage, scale: Scale) -> Iterator[Line]:
    def run(client: Participant) -> Result:
        with stage.backlogs.held(producing.PARTITIONS, scale.produce) as held:
            return producing.transformed(stage, client, held)

    run(producing.LOOP)  # a broker's way of writing is compiled as it is used: nobody is measured meanwhile
    series = alternate(scale, producing.CLIENTS, run)
    loop = producing.LOOP.name
    yield from Compared(
        "consume, transform, produce", "messages_per_s", "msg/s", loop, ">= 1.0, aim 1.5"
    ).lines(series, producing.CLIENTS)
    yield from Compared("the same, CPU", "cpu_us", "us/msg", loop, "").lines(series, producing.CLIENTS)


def slow_message(stage: Stage, scale: Scale) -> Iterator[Line]:
    client = ringmain(RouteSettings(handlers=4))

    def run(variant: Participant) -> Result:
        slow_id = scale.slow // 10 if variant.name == "with" else -1
        with stage.backlogs.held(1, scale.slow) as held:
            return stage.drain(client, held, Task("slow", slow_id, scale.slow_s, held_up=int(slow_id >= 0)))

    both = [Participant(name, client.commands, client.needs) for name in ("with", "without")]
    series = alternate(scale, both, run)
    name = f"{scale.slow_s:g} s among {scale.slow:,}, the others"
    for line in Compared(name, "seconds", "s", "without", "").lines(series, both):
        line.goal = "<= 1.2" if line.client == "with" else ""
        line.client = f"ringmain, {line.client} it"
        yield line


def failing(stage: Stage, scale: Scale) -> Iterator[Line]:
    """What it costs the handlers that one call in a hundred fails and is tried again through RabbitMQ.

    Long enough that the first failure, which makes the queues, is not what is seen.
    """
    with tempfile.TemporaryDirectory(prefix="ringmain-bench-rabbit-") as directory:
        rabbit = RabbitServer(Path(directory), erlang=BENCH_ERLANG)
        client = ringmain(RouteSettings(queues=("rabbitmq", rabbit.url)))

        def run(variant: Participant) -> Result:
            fails = variant.name == "ringmain, 1 % fail"
            with stage.backlogs.held(4, scale.failing) as held:
                held_up = scale.failing // FAILS_ONE_IN if fails else 0
                return stage.drain(client, held, Task("failing" if fails else "unfailing", held_up=held_up))

        both = [
            Participant(name, client.commands, client.needs) for name in ("ringmain, 1 % fail", "none fails")
        ]
        try:
            rabbit.start()
            series = alternate(scale, both, run)
        finally:
            rabbit.close()
    row = Compared("30 us of CPU, RabbitMQ", "messages_per_s", "msg/s", "none fails", "")
    for line in row.lines(series, both):
        line.goal = ">= 0.9, aim 0.95" if line.client != "none fails" else ""
        yield line
    yield from Compared("the same, CPU", "cpu_us", "us/msg", "none fails", "").lines(series, both)


def latency(stage: Stage, scale: Scale) -> Iterator[Line]:
    clients = [ringmain(), who.POLL_LOOP]
    series = alternate(scale, clients, lambda client: paced(stage, client, scale.paced_s))
    for title, figure in (("p50 at 1,000/s", "messages_per_s"), ("p99 at 1,000/s", "seconds")):
        for line in Compared(title, figure, "ms", who.POLL_LOOP.name, "").lines(series, clients):
            base = series.median(who.POLL_LOOP.name, figure)
            if line.client == "ringmain" and base is not None and not line.problem and figure == "seconds":
                line.goal = f"loop + 1 ms = {base + 1:.2f}"
            yield line


def paced(stage: Stage, client: Participant, seconds: float) -> Result:
    """Milliseconds from produce() to the handler's first line: p50 and p99, without the first tenth."""
    topic = stage.server.create_topic(partitions=4)
    stage.server.produce(topic, [{"value": message(0), "partition": one} for one in range(4)])
    count = int(seconds * 1000)
    with stage.started(client, topic, Task("delay")) as started:
        started.wait_for(4)
        pacer = [sys.executable, str(BENCH / "pacer.py"), stage.server.bootstrap, topic, str(count)]
        if subprocess.run(pacer, check=False).returncode != 0:
            raise RunFailed("the pacer failed")
        started.wait_for(count + 4)
        expected = Backlog(topic, 4, count)
        seen = started.seen()
        if (seen.count, seen.total) != (count + 4, expected.checksum):
            raise RunFailed(f"handled {seen.count - 4} of {count} paced messages, or others")
        delays_ms = sorted(delays(started, count))

    return Result(share(delays_ms, 0.5), 0.0, share(delays_ms, 0.99))


def share(ordered: list[float], part: float) -> float:
    return ordered[int(len(ordered) * part)]


def delays(client: Client, count: int) -> list[float]:
    """Delays in ms, those of the warm-up left out: every process's first tenth."""
    found: list[float] = []
    time.sleep(0.1)
    for path in client.tally.glob("*.delays"):
        some = array.array("Q", path.read_bytes())
        found += [one / 1e6 for one in some[max(4, len(some) // 10) :]]
    if len(found) < count * 0.8:
        raise RunFailed(f"only {len(found)} delays of {count} messages were reported")
    return found


def idle(stage: Stage, scale: Scale) -> Iterator[Line]:
    clients = [ringmain(), who.LOOP]
    series = alternate(scale, clients, lambda client: idling(stage, client, scale.idle_s))
    yield from Compared("idle, 4 partitions, CPU", "cpu_us", "% of a core", "loop", "<= 1 %").lines(
        series, clients
    )


def idling(stage: Stage, client: Participant, seconds: float) -> Result:
    """Percent of a core over `seconds`, once the first messages are long handled."""
    backlog = stage.backlogs.open(4, 1000)
    with stage.started(client, backlog.topic, Task("noop", report_s=2.0)) as started:
        started.wait_for(backlog.count)
        time.sleep(5.0)
        before_s = cpu_s(started.pids)
        time.sleep(seconds)
        used_s = cpu_s(started.pids) - before_s
    return Result(0.0, used_s / seconds * 100, seconds)


def memory(stage: Stage, scale: Scale) -> Iterator[Line]:
    """What each feeder beyond the first costs: daemons with one and with four are compared."""
    one, four = (Participant("ringmain", ringmain(RouteSettings(consumers=n)).commands) for n in (1, 4))
    try:
        further = (resident(stage, four) - resident(stage, one)) / 3
    except RunFailed as failure:
        yield Line("PSS of a further feeder", "ringmain", 0.0, "MB", goal="<= 25 MB", problem=str(failure))
        return
    yield Line("PSS of a further feeder", "ringmain", further / 1e6, "MB", goal="<= 25 MB")


def resident(stage: Stage, client: Participant) -> float:
    backlog = stage.backlogs.open(4, 100_000)
    with stage.started(client, backlog.topic, Task("noop")) as started:
        started.wait_for(backlog.count)
        time.sleep(3.0)
        return private_pss_bytes(started.pids)


def start(stage: Stage, scale: Scale) -> Iterator[Line]:
    clients = [ringmain(), who.LOOP]
    starting(stage, who.LOOP)  # a server's first group waits until its offsets topic is made
    series = alternate(scale, clients, lambda client: starting(stage, client))
    yield from Compared("start to first message", "seconds", "s", "loop", "<= 2.5 s").lines(series, clients)


def starting(stage: Stage, client: Participant) -> Result:
    backlog = stage.backlogs.open(4, 1000)
    with stage.started(client, backlog.topic, Task("noop")) as started:
        began_s = started.started_s
        first = started.wait_for(1)
        started.wait_for(backlog.count)
    return Result(0.0, 0.0, first.last_ns / 1e9 - began_s)


ROWS = [
    Row("noop", noop),
    Row("batch", batch),
    Row("spin", spin),
    Row("one-partition", spin_one_partition),
    Row("wait", wait),
    Row("produce", produce),
    Row("slow", slow_message),
    Row("failing", failing),
    Row("latency", latency),
    Row("idle", idle),
    Row("memory", memory),
    Row("start", start),
]
