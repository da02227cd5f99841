"""A whole daemon under test: an app and a config file in a folder, `ringmain run` on them, what came of it.

tests/scenario/ enters. The daemon is a process of its own on a real Kafka; what its handlers did is read from
what they wrote down (support/witness.py), the rest from its log, its dead set and its committed offsets.
"""

import json
import shutil
import signal
import subprocess
import sys
import textwrap
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from support import signals
from support.environment import child_environment
from support.kafka_client import Item, KafkaClient
from support.leftovers import Leftovers, alive, descendants
from support.waiting import eventually

RINGMAIN = [sys.executable, "-c", "import sys; from ringmain.cli import main; sys.exit(main())"]
ROUTE = "r"
STOP_DEADLINE_S = 40.0
PATIENCE_S = 120.0
"""For what a daemon does: it starts half a dozen processes and joins a group."""
PREAMBLE = """\
import asyncio, os, signal, sys, threading, time
import msgspec
from ringmain import App, Dead, Message, Pause, Retry, Skip, To
from witness import block_for, first_time, is_open, tell, wait_at, wait_at_async
app = App()
"""
_TAIL_LINES = 40


@dataclass(frozen=True)
class Event:
    """One line of a handler's."""

    event: str
    pid: int
    at_ns: int
    topic: str = ""
    partition: int = -1
    offset: int = -1
    key: str | None = None
    attempt: int = 0
    channel: str = ""
    note: Any = None

    @property
    def place(self) -> tuple[str, int, int]:
        """Which message it is about."""
        return self.topic, self.partition, self.offset


class Daemon:
    """One `ringmain run` under way."""

    def __init__(self, config: Path, log: Path, arguments: Iterable[str]) -> None:
        self.log_path = log
        with open(log, "ab") as file:
            self.process = subprocess.Popen(
                [*RINGMAIN, "run", str(config), *arguments],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=child_environment(),
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def children(self, role: str = "", route: str = ROUTE) -> dict[str, int]:
        """Live children by the title in the process list: `handler r/0`, `feeder r/1`, `courier`."""
        found = {}
        for pid in descendants(self.pid) if self.running else ():
            title = _title(pid)
            if title and (not role or title == role or title.startswith(f"{role} {route}/")):
                found[title] = pid
        return found

    def staff(self) -> dict[str, int]:
        """The children that stay, once the last of them is there: the admin's worker. A scout does not."""

        def complete() -> dict[str, int]:
            children = self.children()
            return children if "admin worker 1" in children else {}

        return {title: pid for title, pid in eventually(complete).items() if title != "scout"}

    def kafka_feeders(self, route: str = ROUTE) -> dict[str, int]:
        """The feeders over Kafka; the one over the queues sits in the last seat."""
        feeders = self.children("feeder", route)
        last = max(feeders, key=_seat_of, default="")
        return {title: pid for title, pid in feeders.items() if title != last}

    def feeder_of(self, topic: str, partition: int = 0, other_than: int = 0) -> int:
        """The process that said last that it got this partition, once there is one that lives."""

        def found() -> int:
            said = [
                line["pid"]
                for line in self.log("assigned")
                if line.get("topic") == topic and line.get("partition") == partition
            ]
            return said[-1] if said and said[-1] != other_than and alive(said[-1]) else 0

        return eventually(found, PATIENCE_S, f"{topic}/{partition} has a feeder")

    def log(self, event: str = "") -> list[dict[str, Any]]:
        """Its log lines so far, of one event if given; what is no JSON is left out."""
        lines = []
        for raw in self.log_path.read_bytes().splitlines():
            if raw.startswith(b"{") and raw.endswith(b"}"):
                line = json.loads(raw)
                if not event or line["event"] == event:
                    lines.append(line)
        return lines

    def log_text(self) -> str:
        return self.log_path.read_text(errors="replace")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ended(self, deadline_s: float = STOP_DEADLINE_S) -> int:
        """Wait for its end; the exit code."""
        try:
            return self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {deadline_s:g} s: {self.children()}") from None

    def stop(self, deadline_s: float = STOP_DEADLINE_S) -> None:
        """A graceful stop, which must end with code 0."""
        self.signal(signal.SIGTERM)
        code = self.ended(deadline_s)
        assert code == 0, f"exit code {code} of a graceful stop"

    def kill(self) -> None:
        """Kill -9 of the supervisor alone."""
        self.signal(signal.SIGKILL)
        self.process.wait()

    def at_work(self, role: str = "", route: str = ROUTE) -> dict[int, str]:
        """All that ever came to work here, by process id, the living and the dead."""
        begun = {line["child_pid"]: line["child"] for line in self.log("child at work")}
        start = f"{role} {route}/" if role else ""
        return {pid: title for pid, title in begun.items() if title.startswith(start)}

    def wait_until_at_work(self, handlers: int = 1, deadline_s: float = PATIENCE_S) -> None:
        """Until that many handlers are at work and some feeder has its partitions."""

        def at_work() -> bool:
            assert self.running, f"it ended with code {self.process.returncode}"
            working = [one for one in self.log("child at work") if one["child"].startswith("handler ")]
            return len(working) >= handlers and bool(self.log("assigned"))

        eventually(at_work, deadline_s)


class Scenario:
    """One topic, one group, one folder; any number of daemons one after another or side by side."""

    def __init__(self, folder: Path, kafka: KafkaClient, leftovers: Leftovers) -> None:
        self.folder, self.kafka = folder, kafka
        self.group = f"g{uuid.uuid4().hex[:10]}"
        self.topic = f"t-{self.group}"
        self.daemons: list[Daemon] = []
        self._leftovers = leftovers
        self._unread = b""
        self._read_to = 0
        self._events: list[Event] = []
        (folder / "gates").mkdir(parents=True)
        leftovers.watch(folder / "run")
        shutil.copy(Path(__file__).with_name("witness.py"), folder)

    # -- given ---------------------------------------------------------------------------------------------

    def create_topic(self, partitions: int = 1, **config: object) -> str:
        """The scenario's topic."""
        return self.kafka.create_topic(self.topic, partitions, **config)

    def produce(self, items: Iterable[Item], topic: str = "", **defaults: Any) -> int:
        """Messages into the scenario's topic, created with one partition if it was not yet."""
        if not topic and not self._exists():
            self.create_topic()
        return self.kafka.produce(topic or self.topic, items, **defaults)

    def produce_numbers(self, count: int, **defaults: Any) -> int:
        """Values `0`, `1`, …"""
        return self.produce((str(number).encode() for number in range(count)), **defaults)

    def app(self, source: str) -> None:
        """Write the app; PREAMBLE is above it."""
        (self.folder / "shop.py").write_text(PREAMBLE + textwrap.dedent(source))

    def config(self, route: Mapping[str, Any] | None = None, **more: Any) -> Path:
        """Write the config file. `route` is over the route's defaults, `more` over the rest."""
        of_route = {"topics": [self.topic], "order": "none", "handlers": 2, **(route or {})}
        tree: dict[str, Any] = {
            "app": "shop:app",
            "name": self.group,
            "node": "here",
            "modes": ["stream-worker", "worker"],
            "runtime_dir": str(self.folder / "run"),
            "state_dir": str(self.folder / "state"),
            "kafka": {"bootstrap.servers": self.kafka.bootstrap, "group.id": self.group},
            "queues": {"backend": "sqlite"},
            "commit": {"interval_s": 0.2},
            "admin": {"bind": "127.0.0.1:0"},
            "routes": {ROUTE: of_route},
        }
        path = self.folder / "ringmain.toml"
        path.write_text(toml(_merged(tree, more)))
        return path

    def start(self, *arguments: str) -> Daemon:
        """`ringmain run` on the config written last (or the default one)."""
        path = self.folder / "ringmain.toml"
        if not path.exists():
            self.config()
        log = self.folder / f"log{len(self.daemons)}.jsonl"
        self.daemons.append(Daemon(path, log, arguments))
        return self.daemons[-1]

    def open_gate(self, name: str) -> None:
        """Let through who waits at this gate, now and later."""
        (self.folder / "gates" / name).touch()

    # -- then ----------------------------------------------------------------------------------------------

    def events(self, event: str = "") -> list[Event]:
        """What the handlers wrote down, in the order of writing."""
        path = self.folder / "events.jsonl"
        if path.exists():
            with open(path, "rb") as file:
                file.seek(self._read_to)
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._read_to += len(whole)
            self._events += [Event(**json.loads(line)) for line in whole.splitlines()]
        return [one for one in self._events if not event or one.event == event]

    def offsets(self, event: str = "done") -> list[int]:
        """The offsets that an event happened to, in the order of writing."""
        return [one.offset for one in self.events(event)]

    def places(self, topic: str = "") -> set[tuple[str, int, int]]:
        """All messages of a topic, by its ends. Not for one with gaps in its offsets."""
        topic = topic or self.topic
        ends = self.kafka.end_offsets(topic)
        return {(topic, part, offset) for part, end in ends.items() for offset in range(end)}

    def missing(self, event: str = "done", topic: str = "") -> set[tuple[str, int, int]]:
        """The messages of the topic that `event` never happened to."""
        return self.places(topic) - {one.place for one in self.events(event)}

    def repeats(self, event: str = "done") -> Counter[tuple[str, int, int]]:
        """How often more than once `event` happened to each message."""
        counted = Counter(one.place for one in self.events(event))
        return Counter({place: count - 1 for place, count in counted.items() if count > 1})

    def assert_each_once(self, event: str = "done") -> None:
        """Every message of the topic, and none of them twice."""
        self.assert_all(event)
        assert not self.repeats(event), f"more than once: {dict(list(self.repeats(event).items())[:10])}"

    def assert_all(self, event: str = "done") -> None:
        """Every message of the topic at least once."""
        missing = self.missing(event)
        assert not missing, f"{len(missing)} messages without {event!r}: {sorted(missing)[:10]}"

    def wait_for(self, event: str, count: int = 1, deadline_s: float = PATIENCE_S) -> list[Event]:
        """Until `event` was written down that often."""

        def seen() -> list[Event]:
            found = self.events(event)
            assert len(found) >= count, f"{len(found)} of {count} {event!r}"
            return found

        return eventually(seen, deadline_s, f"{count} times {event!r}")

    def wait_for_settled(self, deadline_s: float = PATIENCE_S, topic: str = "") -> None:
        """Until everything in the topic is committed."""
        topic = topic or self.topic
        ends = {part: end for part, end in self.kafka.end_offsets(topic).items() if end}

        def committed() -> bool:
            now = self.kafka.committed(self.group, topic)
            assert {part: now.get(part) for part in ends} == ends
            return True

        eventually(committed, deadline_s, f"all of {topic} is committed")

    def wait_for_dead(self, count: int, deadline_s: float = PATIENCE_S) -> list[dict[str, Any]]:
        """Until the dead set has that many entries."""

        def dead() -> list[dict[str, Any]]:
            found = self.dead()
            assert len(found) >= count, f"{len(found)} of {count} dead"
            return found

        return eventually(dead, deadline_s, f"{count} dead") if count else []

    def dead(self, *arguments: str) -> list[dict[str, Any]]:
        """The dead set, by `ringmain dead list --json`."""
        command = [*RINGMAIN, "dead", "list", str(self.folder / "ringmain.toml"), "--json"]
        ran = subprocess.run(
            [*command, "--limit", "10000", *arguments],
            env=child_environment(), capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        return list(json.loads(ran.stdout or "[]", parse_int=lambda digits: int(digits[:4000])))

    # -- end -----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop what still runs, print the logs for who reads of a failure, assert that nothing is left."""
        stopped = [_stopped(daemon) for daemon in self.daemons]
        for daemon in self.daemons:
            print(f"--- {daemon.log_path.name}")
            print("\n".join(daemon.log_text().splitlines()[-_TAIL_LINES:]))
        assert all(stopped), "a daemon did not stop when told to"
        self._leftovers.assert_none()

    def _exists(self) -> bool:
        return self.topic in self.kafka.topics()


def children_are_gone(pids: Iterable[int]) -> Callable[[], bool]:
    """A condition: none of these processes runs any more."""
    wanted = list(pids)
    return lambda: not any(alive(pid) for pid in wanted)


def _stopped(daemon: Daemon) -> bool:
    if not daemon.running:
        return True
    daemon.signal(signal.SIGTERM)
    try:
        daemon.ended()
    except AssertionError:
        for pid in [daemon.pid, *descendants(daemon.pid)]:
            signals.send(pid, signal.SIGKILL)
        daemon.process.wait()
        return False
    return True


def _title(pid: int) -> str:
    """`handler r/0` of a process called `ringmain: NAME handler r/0`; nothing for any other."""
    try:
        line = " ".join(psutil.Process(pid).cmdline()).strip()
    except psutil.Error:
        return ""
    head, _, rest = line.partition(" ")
    return rest.partition(" ")[2] if head == "ringmain:" else ""


def _seat_of(title: str) -> int:
    return int(title.rpartition("/")[2])


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(below)
    for key, value in above.items():
        old = both.get(key)
        both[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return both


def toml(tree: Mapping[str, Any]) -> str:
    """The tree as a config file."""
    return "\n".join(_toml(tree)) + "\n"


def _toml(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterable[str]:
    """Dotted keys from the top; JSON's spelling of strings, numbers, booleans and lists is TOML's."""
    for key, value in tree.items():
        here = (*path, json.dumps(key))
        if value == {}:
            yield f"{'.'.join(here)} = {{}}"
        elif isinstance(value, Mapping):
            yield from _toml(value, here)
        elif value is not None:
            yield f"{'.'.join(here)} = {json.dumps(value)}"
