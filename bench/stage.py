"""One run of one client: started, watched until every message is handled, verified, stopped.

The rows enter. A run that did not handle each message exactly once is an error, never a figure.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import work
from backlog import Backlog, Backlogs, Held
from participants import BENCH, Participant, Scene
from processes import cpu_s

from support.kafka_server import KafkaServer
from support.sources import PACKAGE

CALIBRATION_S = 3.0
LOOK_S = 0.005
STALL_S = 60.0
STOP_S = 30.0
SETTLE_S = 4.0  # longer than a heartbeat: members that joined one by one share the partitions by then


class RunFailed(Exception):
    """A run that yields no figure; the message says what happened."""


@dataclass(frozen=True)
class Task:
    """What is done with a message."""

    name: str
    slow_id: int = -1
    slow_s: float = 0.0
    report_s: float = work.FLUSH_S  # the idle row cannot afford 200 reports a second
    held_up: int = 0
    """Messages whose end is not waited for before the clock is stopped."""


@dataclass(frozen=True)
class Seen:
    """What the client's processes have reported by now."""

    count: int
    total: int
    last_ns: int


@dataclass(frozen=True)
class Result:
    """The figures of one run."""

    messages_per_s: float
    cpu_us: float
    seconds: float


@dataclass
class Client:
    """A started client."""

    scene: Scene
    tally: Path
    processes: list[subprocess.Popen[bytes]]
    started_s: float = field(default_factory=time.monotonic)

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self.processes]

    def seen(self) -> Seen:
        count = total = last_ns = 0
        for path in self.tally.iterdir():
            record = b"" if path.suffix == ".delays" else path.read_bytes()
            if len(record) == work.RECORD.size:
                some, their_total, at_ns = work.RECORD.unpack(record)
                count, total, last_ns = count + some, total + their_total, max(last_ns, at_ns)
        return Seen(count, total, last_ns)

    def wait_for(self, count: int) -> Seen:
        """Wait until `count` messages are handled; RunFailed when nothing moves any more."""
        seen = self.seen()
        moved_s = time.monotonic()
        while seen.count < count:
            self._check(moved_s, seen, count)
            time.sleep(LOOK_S)
            before, seen = seen, self.seen()
            moved_s = time.monotonic() if seen.count > before.count else moved_s
        return seen

    def _check(self, moved_s: float, seen: Seen, count: int) -> None:
        ended = [process.returncode for process in self.processes if process.poll() is not None]
        if ended:
            raise RunFailed(f"ended with {ended[0]} after {seen.count} of {count}: {self.log_tail()}")
        if time.monotonic() - moved_s > STALL_S:
            raise RunFailed(f"stood still for {STALL_S:g} s at {seen.count} of {count}: {self.log_tail()}")

    def log_tail(self) -> str:
        return (self.scene.directory / "log").read_text(errors="replace")[-1200:].strip()

    def stop(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@dataclass
class Stage:
    """A server, its backlogs, and the amount of work that spin() means in this run of the bench."""

    server: KafkaServer
    backlogs: Backlogs
    spins: int
    _groups: int = 0

    @contextmanager
    def started(self, participant: Participant, topic: str, task: Task) -> Iterator[Client]:
        """A client on a topic in a group of its own; stopped and cleaned away at the end."""
        self._groups += 1
        directory = Path(tempfile.mkdtemp(prefix="ringmain-bench-"))
        group = f"bench-{self._groups}"
        scene = Scene(self.server.bootstrap, topic, group, directory, task.name)
        client = self._start(participant, scene, task)
        try:
            yield client
        finally:
            client.stop()
            shutil.rmtree(directory, ignore_errors=True)

    def drain(self, participant: Participant, held: Held, task: Task) -> Result:
        """The client, up and at rest, handles the whole backlog: throughput, and CPU to the last message."""
        with self.started(participant, held.backlog.topic, task) as client:
            client.wait_for(held.readable)
            time.sleep(SETTLE_S)
            cpu_before_s = cpu_s(client.pids)
            held.release()
            first, began_ns = client.wait_for(held.readable + 1), time.monotonic_ns()
            last = client.wait_for(held.backlog.count - task.held_up)
            cpu_after_s = cpu_s(client.pids)
            client.wait_for(held.backlog.count)
            verify(client, held.backlog)
        seconds = (last.last_ns - began_ns) / 1e9
        if seconds <= 0:
            raise RunFailed("too fast to be measured: raise the number of messages")
        cpu_us = (cpu_after_s - cpu_before_s) / (last.count - held.readable) * 1e6
        return Result((last.count - first.count) / seconds, cpu_us, seconds)

    def _start(self, participant: Participant, scene: Scene, task: Task) -> Client:
        tally = scene.directory / "tally"
        tally.mkdir()
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(BENCH), str(PACKAGE.parent)]),
            "BENCH_TALLY": str(tally),
            "BENCH_TASK": task.name,
            "BENCH_SPINS": str(self.spins),
            "BENCH_SLOW_ID": str(task.slow_id),
            "BENCH_SLOW_S": str(task.slow_s),
            "BENCH_REPORT_S": str(task.report_s),
        }
        with open(scene.directory / "log", "wb") as log:
            processes = [
                subprocess.Popen(
                    command, env=environment, cwd=scene.directory,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                )
                for command in participant.commands(scene)
            ]  # fmt: skip
        return Client(scene, tally, processes)


def verify(client: Client, backlog: Backlog) -> None:
    """Each message once: the count, and the sum of all ids."""
    time.sleep(10 * work.FLUSH_S)  # what would be handled twice comes now
    seen = client.seen()
    if (seen.count, seen.total) != (backlog.count, backlog.checksum):
        raise RunFailed(
            f"handled {seen.count} (sum {seen.total}) of {backlog.count} (sum {backlog.checksum})"
        )


def calibrate(target_s: float) -> int:
    """How far spin() must count so that it takes this long here and now, neighbours aside.

    A shared machine has two speeds, and keeps to either for seconds: the faster one of some seconds counts.
    """
    spins, found, until_s = 1000, list[int](), time.monotonic() + CALIBRATION_S
    while time.monotonic() < until_s:
        times = []
        for _ in range(200):
            began_ns = time.perf_counter_ns()
            sum(range(spins))
            times.append(time.perf_counter_ns() - began_ns)
        found.append(spins := max(1, round(spins * target_s * 1e9 / sorted(times)[len(times) // 10])))
    return sorted(found)[len(found) * 9 // 10]
