"""Who takes part: how each client is started on a topic.

The rows enter. A client whose library is not installed says so instead of taking part; nothing runs here.
"""

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

BENCH = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Scene:
    """Where a client runs: its server, topic, group and scratch directory."""

    bootstrap: str
    topic: str
    group: str
    directory: Path
    task: str


@dataclass(frozen=True)
class Participant:
    """A client by name; `commands` gives one command line per process that a person would start."""

    name: str
    commands: Callable[[Scene], list[list[str]]]
    needs: str = ""
    share: float = 1.0  # a slow one gets this part of the messages, and all of those

    def missing(self) -> str:
        """Why it cannot take part here; "" when it can."""
        if self.needs and importlib.util.find_spec(self.needs) is None:
            return f"{self.needs} is not installed"
        return ""


def script(name: str, needs: str, file: str, *style: str, share: float = 1.0, count: int = 1) -> Participant:
    """A client that is a program in peers/."""

    def commands(scene: Scene) -> list[list[str]]:
        program = str(BENCH / "peers" / file)
        return [[sys.executable, program, scene.bootstrap, scene.topic, scene.group, *style]] * count

    return Participant(name, commands, needs, share)


LOOP = script("loop", "confluent_kafka", "hand_loop.py", "tuned")
PAIR = script("pair of loops", "confluent_kafka", "hand_loop.py", "tuned", count=2)
PLAIN_LOOP = script("loop, default properties", "confluent_kafka", "hand_loop.py", "default", share=0.5)
POLL_LOOP = script("loop, poll()", "confluent_kafka", "hand_loop.py", "poll")
AIOKAFKA = script("aiokafka getmany", "aiokafka", "aiokafka_getmany.py", share=0.5)
FASTSTREAM = script("FastStream, one a call", "faststream", "faststream_confluent.py", "one", share=0.01)
FASTSTREAM_BATCH = script("FastStream, batch", "faststream", "faststream_confluent.py", "batch", share=0.5)
ARROYO = script("arroyo, in process", "arroyo", "arroyo_task.py", "inside", share=0.05)
ARROYO_PROCESSES = script("arroyo, 2 processes", "arroyo", "arroyo_task.py", "processes", share=0.05)


@dataclass(frozen=True)
class RouteSettings:
    """What the route says in ringmain's config file; the rest is as a new user leaves it."""

    handlers: int = 2
    consumers: int | None = None
    concurrency: int | None = None
    kafka: Mapping[str, str] = field(default_factory=dict)
    queues: tuple[str, str] = ("sqlite", "")  # backend, URL
    tables: tuple[str, ...] = ()  # lines behind the route's
    app: str = ""  # another than the task's own

    def lines(self) -> list[str]:
        found = [f"handlers = {self.handlers}"]
        found += [f"consumers = {self.consumers}"] if self.consumers is not None else []
        found += [f"concurrency = {self.concurrency}"] if self.concurrency is not None else []
        return found


def ringmain(settings: RouteSettings | None = None) -> Participant:
    """ringmain as a user runs it: a config file, and `ringmain run CONFIG`."""
    route = settings or RouteSettings()

    def commands(scene: Scene) -> list[list[str]]:
        config = scene.directory / "ringmain.toml"
        config.write_text(config_text(scene, route))
        return [[sys.executable, "-m", "ringmain", "run", str(config)]]

    return Participant("ringmain", commands, "ringmain")


def config_text(scene: Scene, route: RouteSettings) -> str:
    lines = [
        f'app = "ringmain_apps:{route.app or scene.task}"',
        'name = "bench"',
        f'runtime_dir = "{scene.directory / "run"}"',
        f'state_dir = "{scene.directory / "state"}"',
        "[kafka]",
        f'bootstrap.servers = "{scene.bootstrap}"',
        f'group.id = "{scene.group}"',
        *(f'{key} = "{value}"' for key, value in route.kafka.items()),
        "[queues]",
        *queue_lines(scene, *route.queues),
        "[routes.bench]",
        f'topics = ["{scene.topic}"]',
        'order = "none"',
        *route.lines(),
        *route.tables,
    ]
    return "\n".join(lines) + "\n"


def queue_lines(scene: Scene, backend: str, url: str) -> list[str]:
    where = f'url = "{url}"' if url else f'path = "{scene.directory / "queues.db"}"'
    return [f'backend = "{backend}"', where]
