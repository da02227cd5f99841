"""The queues on a real RabbitMQ, all in one run: `python bench/queues.py [--quick] [--rows …]`.

Rounds alternate between ringmain and a plain pika loop that does the same; medians are shown, each with its
ratio to that loop. Queues are quorum queues. Every run is verified by count (and checksum, where a handler is
at its end). Nothing fails because of a time; the exit code is 1 when something could not be measured.
"""

import argparse
import dataclasses
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT / "tests"), str(CHECKOUT / "daemon")]

import peers.pika_loop as plain  # noqa: E402
import work  # noqa: E402
from drain import shown  # noqa: E402
from messages import message  # noqa: E402
from participants import BENCH, Scene  # noqa: E402
from rows import Line  # noqa: E402
from stage import Client, RunFailed  # noqa: E402

from ringmain.queues import frames, names  # noqa: E402
from ringmain.queues.contract import Publisher  # noqa: E402
from ringmain.queues.envelope import Envelope, Packed  # noqa: E402
from ringmain.queues.rabbit import Access, RabbitQueues, Topology, address  # noqa: E402
from support.rabbit_server import BENCH_ERLANG, RabbitServer  # noqa: E402
from support.sources import PACKAGE  # noqa: E402
from support.waiting import eventually  # noqa: E402

APP, ROUTE = "bench", "bench"
READY = names.ready(APP, ROUTE)
DELAY = names.delay(APP, ROUTE, 1)
OVERFLOW = names.overflow(APP, ROUTE)
STEP = 500
PACE = 1000
STALL_S = 60.0


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    rounds: int = 3
    messages: int = 100_000
    one_by_one: int = 5_000
    frames: int = 2_000
    whole: int = 50_000
    dramatiq: int = 5_000
    paced_s: float = 10.0


QUICK = Scale(
    rounds=1, messages=20_000, one_by_one=1_000, frames=400, whole=10_000, dramatiq=1_000, paced_s=3.0
)


@dataclass(frozen=True)
class Bench:
    """A server, and what runs on it."""

    server: RabbitServer
    scale: Scale

    @property
    def queues(self) -> RabbitQueues:
        access = Access([address(self.server.url)])
        return RabbitQueues(APP, access, Topology("quorum"), [(ROUTE, "")])


def failed(number: int) -> Envelope:
    """A message on its way to a retry, as the courier writes it."""
    return Envelope(
        value=message(number), key=b"%d" % number, headers=[], topic="bench", partition=0, offset=number,
        timestamp_ms=time.time_ns() // 1_000_000, attempt=2, first_failed_ms=1_700_000_000_000,
        failed_ms=1_700_000_000_000, error_class="ValueError", error_message="not yet", node="here",
        traceback='Traceback (most recent call last):\n  File "orders.py", line 7, in handle\nValueError\n',
    )  # fmt: skip


def publish(bench: Bench, queue: str, letters: Sequence[Envelope | Packed]) -> float:
    """Seconds until each is confirmed, by ringmain's publisher, as the courier drives it."""
    with closing(bench.queues.publisher()) as publisher:
        eventually(lambda: has_room(publisher), STALL_S)
        sent, confirmed, began_s = 0, 0, time.monotonic()
        while confirmed < len(letters):
            room = min(publisher.room(), STEP, len(letters) - sent)
            if room:
                publisher.publish([(queue, letter) for letter in letters[sent : sent + room]])
                sent += room
            elif (fd := publisher.fileno()) is not None:
                plain.readable(fd, publisher.timeout_s())
            publisher.pump()
            settled = publisher.settled()
            if settled.lost or settled.refused:
                raise RunFailed(f"lost {len(settled.lost)}, refused {len(settled.refused)}")
            confirmed += len(settled.confirmed)
        return time.monotonic() - began_s


def has_room(publisher: Publisher) -> bool:
    publisher.pump()
    return publisher.room() > 0


def verify_waiting(bench: Bench, queue: str, count: int) -> None:
    """Are just so many in the queue?"""

    def waiting() -> bool:
        found = bench.queues.depths().get(queue)
        return (found.messages if found else 0) == count

    try:
        eventually(waiting, 10.0)
    except AssertionError:
        raise RunFailed(f"{queue} does not hold {count} messages") from None


def empty(bench: Bench, *queues: str) -> None:
    for queue in queues:
        plain.delete(bench.server.url, queue)


# -- rows ------------------------------------------------------------------------------------------------

HOUR = names.delay(APP, ROUTE, 3600)


def ours_into_delay(bench: Bench) -> float:
    letters = [failed(number) for number in range(bench.scale.messages)]
    seconds = publish(bench, HOUR, letters)
    verify_waiting(bench, HOUR, len(letters))
    empty(bench, HOUR)
    return len(letters) / seconds


def plain_into_delay(bench: Bench) -> float:
    count = bench.scale.one_by_one
    publish(bench, HOUR, [failed(0)])  # it is there, as ringmain declares it
    bodies = [message(number) for number in range(count)]
    seconds = plain.publish_one_by_one(bench.server.url, HOUR, bodies)
    verify_waiting(bench, HOUR, count + 1)
    empty(bench, HOUR)
    return count / seconds


def ours_frames(bench: Bench) -> float:
    frame = frames.pack([fresh(number) for number in range(frames.MESSAGES)])
    letters = [frame] * bench.scale.frames
    seconds = publish(bench, OVERFLOW, letters)
    verify_waiting(bench, OVERFLOW, len(letters))
    empty(bench, OVERFLOW)
    return len(letters) * frame.messages / seconds


def plain_frames(bench: Bench) -> float:
    frame = frames.pack([fresh(number) for number in range(frames.MESSAGES)])
    publish(bench, OVERFLOW, [frame])
    count = max(50, bench.scale.frames // 4)
    seconds = plain.publish_one_by_one(bench.server.url, OVERFLOW, [frame.body] * count)
    verify_waiting(bench, OVERFLOW, count + 1)
    empty(bench, OVERFLOW)
    return count * frame.messages / seconds


def fresh(number: int) -> Envelope:
    return Envelope(
        value=message(number), key=None, headers=[], topic="bench", partition=0, offset=number, timestamp_ms=0
    )


def ours_redelivered(bench: Bench) -> float:
    """A worker node takes what is ready; from the first message handled to the last."""
    publish(bench, READY, [failed(number) for number in range(bench.scale.messages)])
    with worker(bench) as client:
        return drained(bench, client)


def plain_redelivered(bench: Bench) -> float:
    publish(bench, READY, [failed(number) for number in range(bench.scale.messages)])
    with peer(bench, "pika_loop.py", bench.server.url, READY) as client:
        return drained(bench, client)


def ours_retried(bench: Bench) -> float:
    """Published into a delay queue while a worker node takes what comes out of it."""
    letters = [failed(number) for number in range(bench.scale.messages)]
    with worker(bench) as client:
        client.wait_for(0)
        began_s = time.monotonic()
        publish(bench, DELAY, letters)
        client.wait_for(len(letters))
        seconds = time.monotonic() - began_s - 1.0  # the delay itself
        verify_handled(bench, client)
        return len(letters) / seconds


def plain_retried(bench: Bench) -> float:
    letters = [failed(number) for number in range(bench.scale.messages)]
    publish(bench, READY, [])
    with peer(bench, "pika_loop.py", bench.server.url, READY) as client:
        began_s = time.monotonic()
        publish(bench, DELAY, letters)
        client.wait_for(len(letters))
        seconds = time.monotonic() - began_s - 1.0
        verify_handled(bench, client)
        return len(letters) / seconds


def ours_whole(bench: Bench) -> float:
    """Ready, called, failed, a second of delay, called again, done: of a worker node, from end to end."""
    count = bench.scale.whole
    publish(bench, READY, [fresh(number) for number in range(count)])
    with worker(bench, "fails_once") as client:
        return called_twice(bench, client, count)


def called_twice(bench: Bench, client: Client, count: int) -> float:
    """Messages a second once they come, the first and the last hundredth left out."""
    client.wait_for(count // 100)
    first, began_s = client.seen(), time.monotonic()
    last = client.wait_for(count - count // 100)
    rate = (last.count - first.count) / (time.monotonic() - began_s)
    client.wait_for(count)
    verify_handled(bench, client, count)
    return rate


def dramatiq_whole(bench: Bench) -> float:
    """The same by Dramatiq with 2 processes of 8 threads; its delayed messages wait in the workers."""
    count = bench.scale.dramatiq
    environment = {"BENCH_URL": bench.server.url}
    sending = "from peers.dramatiq_retries import send; from messages import message; "
    sending += f"send(message(number) for number in range({count}))"
    subprocess.run(
        [sys.executable, "-c", sending],
        env={**os.environ, **environment, "PYTHONPATH": str(BENCH)},
        check=True,
    )
    program = [sys.executable, "-m", "dramatiq", "peers.dramatiq_retries", "-p", "2", "-t", "8"]
    with started(lambda _: program, environment) as client:
        client.wait_for(count // 100)
        first, began_s = client.seen(), time.monotonic()
        last = client.wait_for(count)
        seconds = time.monotonic() - began_s
        if last.total != count * (count - 1) // 2:
            raise RunFailed(f"sum {last.total} of {count} messages")
        return (last.count - first.count) / seconds


def ours_late(bench: Bench) -> float:
    """ms that a retry is later than its second, 99 of 100 are better."""
    count = int(bench.scale.paced_s * PACE)
    took_s: list[float] = []
    sent_s: list[float] = []
    with closing(bench.queues.publisher()) as publisher, closing(bench.queues.taker([READY])) as taker:
        eventually(lambda: has_room(publisher), STALL_S)
        began_s = time.monotonic()
        while len(took_s) < count and time.monotonic() - began_s < count / PACE + STALL_S:
            due = min(count, int((time.monotonic() - began_s) * PACE))
            if due > len(sent_s):
                publisher.publish([(DELAY, failed(number)) for number in range(len(sent_s), due)])
                sent_s += [time.monotonic()] * (due - len(sent_s))
            publisher.pump()
            publisher.settled()
            taker.pump()
            held = taker.take(1000)
            for delivery in held:
                assert isinstance(delivery.envelope, Envelope)
                took_s.append(time.monotonic() - sent_s[delivery.envelope.offset])
            taker.ack([delivery.tag for delivery in held])
            plain.readable(taker.fileno(), 0.001)
    return late_ms(took_s, count)


def plain_late(bench: Bench) -> float:
    """The same by hand, without confirms, through the same queues: what RabbitMQ and its disk make of it."""
    count = int(bench.scale.paced_s * PACE)
    publish(bench, DELAY, [failed(0)])
    bodies = [message(number) for number in range(count)]
    return late_ms(plain.paced(bench.server.url, DELAY, READY, bodies, PACE, STALL_S), count)


def late_ms(took_s: Sequence[float], count: int) -> float:
    """How much more than the delay; of a hundred, 99 are better."""
    if len(took_s) != count:
        raise RunFailed(f"{len(took_s)} of {count} came back")
    return statistics.quantiles([(one - 1.0) * 1000 for one in took_s], n=100)[98]


# -- clients ---------------------------------------------------------------------------------------------


@contextmanager
def worker(bench: Bench, app: str = "noop") -> Iterator[Client]:
    """A ringmain node that only works off queues."""

    def command(directory: Path) -> list[str]:
        return [sys.executable, "-m", "ringmain", "run", str(config(bench, directory, app))]

    with started(command) as one:
        yield one


def config(bench: Bench, directory: Path, app: str) -> Path:
    path = directory / "ringmain.toml"
    path.write_text(
        f"""
app = "queue_apps:{app}"
name = "{APP}"
modes = ["worker"]
runtime_dir = "{directory / "run"}"
state_dir = "{directory / "state"}"
kafka.bootstrap.servers = "127.0.0.1:9"
kafka.group.id = "bench"
queues.backend = "rabbitmq"
queues.url = "{bench.server.url}"
routes.{ROUTE}.topics = ["bench"]
routes.{ROUTE}.order = "none"
routes.{ROUTE}.handlers = 2
routes.{ROUTE}.flood = false
routes.{ROUTE}.retry = {{ first_s = 1, max_s = 1 }}
log.level = "error"
"""
    )
    return path


@contextmanager
def peer(bench: Bench, program: str, *arguments: str) -> Iterator[Client]:
    """A program of peers/."""
    with started(lambda _: [sys.executable, str(BENCH / "peers" / program), *arguments]) as one:
        yield one


@contextmanager
def started(command: Callable[[Path], list[str]], more: Mapping[str, str] | None = None) -> Iterator[Client]:
    with tempfile.TemporaryDirectory(prefix="ringmain-bench-") as name:
        directory = Path(name)
        (directory / "tally").mkdir()
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(BENCH), str(PACKAGE.parent)]),
            "BENCH_TALLY": str(directory / "tally"),
            "BENCH_TASK": "noop", "BENCH_SPINS": "1", "BENCH_SLOW_ID": "-1", "BENCH_SLOW_S": "0",
            "BENCH_REPORT_S": str(work.FLUSH_S),
            **(more or {}),
        }  # fmt: skip
        with open(directory / "log", "wb") as log:
            process = subprocess.Popen(
                command(directory), env=environment, cwd=directory,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        client = Client(Scene("", "bench", "bench", directory, "noop"), directory / "tally", [process])
        try:
            yield client
        finally:
            client.stop()


def drained(bench: Bench, client: Client) -> float:
    client.wait_for(1)
    first, began_ns = client.seen(), time.monotonic_ns()
    last = client.wait_for(bench.scale.messages)
    verify_handled(bench, client)
    return (last.count - first.count) / ((last.last_ns - began_ns) / 1e9)


def verify_handled(bench: Bench, client: Client, count: int = 0) -> None:
    """Each once, by count and sum, and nothing is left in the queues: all is acked."""
    count = count or bench.scale.messages
    time.sleep(10 * work.FLUSH_S)
    seen = client.seen()
    if (seen.count, seen.total) != (count, count * (count - 1) // 2):
        raise RunFailed(f"handled {seen.count} (sum {seen.total}) of {count}: {client.log_tail()}")
    verify_waiting(bench, READY, 0)


# -- the run ---------------------------------------------------------------------------------------------

Measure = Callable[[Bench], float]


@dataclass(frozen=True)
class Row:
    """One figure of ringmain's beside the same by plain pika."""

    name: str
    title: str
    goal: str
    ours: Measure
    reference: Measure
    reference_name: str
    unit: str = "msg/s"
    needs: str = ""
    """A package of the reference's; without it the reference says so instead of taking part."""


ROWS = [
    Row("confirm", "failed, confirmed into a delay", ">= 20,000 (40,000), >= 10 x", ours_into_delay,
        plain_into_delay, "pika, one by one"),
    Row("redeliver", "ready -> handler -> ack", ">= 15,000 (30,000)", ours_redelivered, plain_redelivered,
        "pika consume loop"),
    Row("retry", "delay -> ready -> handler", ">= 5,000 (8,000)", ours_retried, plain_retried,
        "pika consume loop"),
    Row("whole", "ready, fails, 1 s, done", "", ours_whole, dramatiq_whole, "Dramatiq", needs="dramatiq"),
    Row("lateness", f"lateness of a retry, p99 at {PACE}/s", "<= 200 ms", ours_late, plain_late,
        "pika, unconfirmed", unit="ms"),
    Row("frames", "overflow frames, confirmed", ">= 300,000 (1,000,000)", ours_frames, plain_frames,
        "pika, one by one"),
]  # fmt: skip


def measure(row: Row, bench: Bench) -> Iterator[Line]:
    ours: list[float] = []
    theirs: list[float] = []
    reference: Measure | None = row.reference
    if row.needs and importlib.util.find_spec(row.needs) is None:
        yield Line(row.title, row.reference_name, 0.0, row.unit, problem=f"{row.needs} is not installed")
        reference = None
    try:
        for _ in range(bench.scale.rounds):
            if reference is not None:
                theirs.append(reference(bench))
            ours.append(row.ours(bench))
    except RunFailed as problem:
        yield Line(row.title, "ringmain", 0.0, row.unit, goal=row.goal, problem=str(problem))
        return
    figure, spread = statistics.median(ours), (min(ours), max(ours))
    if theirs:
        beside = statistics.median(theirs)
        yield Line(row.title, row.reference_name, beside, row.unit, spread=(min(theirs), max(theirs)))
        ratio = figure / beside
        yield Line(row.title, "ringmain", figure, row.unit, row.reference_name, ratio, row.goal, "", spread)
    else:
        yield Line(row.title, "ringmain", figure, row.unit, goal=row.goal, spread=spread)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="ringmain's queues on a real RabbitMQ")
    parser.add_argument("--quick", action="store_true", help="one round of fewer messages: a look")
    parser.add_argument("--rows", nargs="+", choices=[row.name for row in ROWS], help="only these")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args(argv)
    scale = QUICK if options.quick else Scale()
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="ringmain-bench-rabbit-") as directory:
        server = RabbitServer(Path(directory), erlang=BENCH_ERLANG)
        try:
            server.start()
            for row in ROWS:
                if not options.rows or row.name in options.rows:
                    for line in measure(row, Bench(server, scale)):
                        print(shown(line), flush=True)
                        lines.append(line)
        finally:
            server.close()
    if options.json:
        options.json.write_text(json.dumps([dataclasses.asdict(line) for line in lines], indent=1))
    return 1 if any(line.problem and line.client == "ringmain" for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
