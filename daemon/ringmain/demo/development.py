"""`ringmain dev`: the daemon over an embedded broker, with the code as it is now.

The command line enters by `develop`. This process starts children, watches files and passes on what is typed;
it holds no Kafka client. The daemon is started as a user would and told to reload as one would, so that its
consumers keep their partitions while its handlers are replaced.
"""

import re
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from ringmain.config.load import load_what_is_set
from ringmain.config.schema import Config
from ringmain.demo import tether
from ringmain.demo.broker import LOOPBACK, EmbeddedBroker, free_port
from ringmain.demo.changes import changes
from ringmain.demo.hand import Hand, Request
from ringmain.demo.interrupts import Interrupts
from ringmain.demo.keyboard import Keyboard
from ringmain.demo.stead import STOP_S, Stead, is_read, overrides, topic_of, topics
from ringmain.errors import ConfigError, RingmainError

PREFIX = "ringmain-dev-"
_TYPED = re.compile(r"(?P<to>[\w.-]+)(\[(?P<key>[^\]]*)\])?\s+(?P<value>.+)")


@dataclass(frozen=True)
class Wish:
    """What the command line asked for."""

    config: Path
    partitions: int
    port: int | None
    also: tuple[str, ...]
    """Overrides of the user's own, over ours."""


def develop(wish: Wish) -> int:
    """From begin to end; the exit code. Ends with Ctrl-C."""
    config = load_what_is_set(wish.config, wish.also)
    watch = changes(wish.config.parent)
    with Interrupts() as interrupts, ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=PREFIX)))
        broker = stack.enter_context(EmbeddedBroker(wish.port))
        stead = Stead(broker.address, folder, f"{LOOPBACK}:{free_port()}")
        hand = stack.enter_context(Hand(broker.address, wish.partitions))
        node = stack.enter_context(Node(wish.config, interrupts))
        desk = Desk(wish, stead, hand, node, config)
        desk.welcome()
        desk.start()
        for changed in watch:
            if interrupts.asked():
                return 0
            broker.check()
            desk.take(changed)
    return 0


class Node:
    """The daemon, whose log goes where ours goes."""

    def __init__(self, config: Path, interrupts: Interrupts) -> None:
        self._argv = [sys.executable, "-m", "ringmain", "run", str(config)]
        self._interrupts = interrupts
        self._process: subprocess.Popen[bytes] | None = None
        self._is_told = True

    def __enter__(self) -> "Node":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether there is one."""
        return self._process is not None and self._process.poll() is None

    def start(self, settings: list[str]) -> None:
        """With these overrides."""
        said = [argument for setting in settings for argument in ("--set", setting)]
        # A change that follows at once must not hang up on a daemon that does not listen yet.
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            self._process = tether.start(tether.Command([*self._argv, *said], stdout=None, stderr=None))
        finally:
            signal.signal(signal.SIGHUP, before)
        self._is_told = False

    def stop(self) -> None:
        """Gracefully; at once when somebody is impatient."""
        if self._process:
            tether.stop(self._process, 2.0 * STOP_S, self._interrupts.again)
            self._process = None

    def reload(self) -> None:
        """Its handlers are replaced by ones with the code of now; its consumers stay."""
        if self._process:
            self._process.send_signal(signal.SIGHUP)

    def ended(self) -> int | None:
        """The exit code of one that ended by itself, said once."""
        code = self._process.poll() if self._process else None
        if code is None or self._is_told:
            return None
        self._is_told = True
        return code


@dataclass
class Desk:
    """What is done about changes, typed lines and a daemon that ended."""

    wish: Wish
    stead: Stead
    hand: Hand
    node: Node
    config: Config
    keyboard: Keyboard = field(default_factory=Keyboard)

    def welcome(self) -> None:
        """What there is and what can be done with it."""
        for line in (
            f"broker  {self.stead.broker}, Kafka-compatible, in memory; topics {', '.join(self._topics())}",
            *self._without_registry(),
            f"page    http://{self.stead.bind}/, or: ringmain top http://{self.stead.bind}",
            f"watch   {self.wish.config.parent}: handlers get changed code at once",
            "type    ROUTE VALUE or ROUTE[KEY] VALUE to send a message; Ctrl-C ends",
        ):
            say(line)

    def start(self) -> None:
        """Topics first: a consumer finds a new one only after a while."""
        for topic in self._topics():
            if problem := self.hand.ask(Request(topic)):
                raise RingmainError(problem)
        self.node.start(self._settings())

    def take(self, changed: list[Path]) -> None:
        """One round."""
        for line in self.keyboard.lines():
            self._type(line)
        if (code := self.node.ended()) is not None:
            say(f"ended   the daemon, with exit code {code}; it starts again with the next change")
        if changed:
            names = ", ".join(path.name for path in changed)
            if self.wish.config in changed and not self._take_config(names):
                return
            self._again(names)

    def _take_config(self, names: str) -> bool:
        """Whether the config can be used; a daemon that was told of other routes or topics is stopped."""
        before = self._settings()
        try:
            self.config = load_what_is_set(self.wish.config, self.wish.also)
        except ConfigError as error:
            say(f"changed {names}: refused\n{error}")
            return False
        for topic in self._topics():
            self.hand.ask(Request(topic))
        if self._settings() != before:
            self.node.stop()
        return True

    def _again(self, names: str) -> None:
        if self.node.running:
            say(f"changed {names}: a reload is asked for")
            self.node.reload()
        else:
            say(f"changed {names}: the daemon starts")
            self.node.start(self._settings())

    def _type(self, line: str) -> None:
        typed = _TYPED.fullmatch(line)
        if typed is None:
            if line:
                say("type    ROUTE VALUE or ROUTE[KEY] VALUE")
            return
        topic, key = topic_of(self.config, typed["to"]), typed["key"]
        problem = self.hand.ask(Request(topic, typed["value"].encode(), key.encode() if key else None))
        unread = "" if is_read(self.config, topic) else ", which no route reads"
        say(f"sent    to {topic}{unread}" if not problem else f"not sent to {topic}: {problem}")

    def _without_registry(self) -> list[str]:
        named = any(route.schema_registry for route in self.config.routes.values())
        if not named or any(one.startswith("schema_registry") for one in self.wish.also):
            return []
        return ["schemas no registry, so values are bare; --set 'schema_registry={url=\"…\"}' brings one"]

    def _topics(self) -> list[str]:
        return topics(self.config)

    def _settings(self) -> list[str]:
        return [*overrides(self.config, self.stead), *self.wish.also]


def say(line: str) -> None:
    """To the developer."""
    print(f"dev: {line}", flush=True)
