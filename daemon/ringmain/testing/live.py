"""`LiveHarness`: the whole daemon on an embedded broker, for what a Harness has no processes for.

Authors of tests enter. A daemon of its own runs the config with nothing changed but its servers; retries take
their time, a handler that dies is replaced, a stop is a stop. It needs the extra `demo`, and seconds.
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ringmain import asking, clock
from ringmain.config.load import load_what_is_set
from ringmain.config.schema import Route
from ringmain.control import Look, Node, socket_path
from ringmain.demo.broker import LOOPBACK, EmbeddedBroker, free_port
from ringmain.demo.hand import Hand, Request
from ringmain.demo.processes import LOG_NAME, Daemon
from ringmain.demo.snapshot import Counted
from ringmain.demo.stead import Stead, overrides, topics
from ringmain.errors import RingmainError
from ringmain.loading import load_app
from ringmain.queues.entry import Entry
from ringmain.queues.filters import Filter
from ringmain.queues.names import parse
from ringmain.queues.sqlite import SqliteQueues
from ringmain.testing.values import encoded, key_bytes

PARTITIONS = 2
SETTLED_S = 60.0
_PAUSE_S = 0.05
_PAGE = 1000


class LiveHarness:
    """A daemon for the time of a `with` block; `more` are overrides as of `ringmain run --set`."""

    def __init__(self, config: str | Path, *more: str) -> None:
        self._path = Path(config).resolve()
        self.config = load_what_is_set(self._path, more)
        self._more = more
        self._stack = ExitStack()
        self._sent = 0

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def send(self, route: str, value: Any, key: str | bytes | None = None) -> None:
        """One message into the route's first topic; returns once Kafka has it."""
        settings, topic = self._place_of(route)
        raw = value if isinstance(value, bytes) else encoded(value, load_app(self.config), settings, topic)
        if raw is None:
            raise RingmainError("a live harness sends no tombstones; Harness does")
        if problem := self._hand.ask(Request(topic, raw, key_bytes(key))):
            raise RingmainError(problem)
        self._sent += 1

    def settle(self, deadline_s: float = SETTLED_S) -> None:
        """Return once as many messages are done, skipped or dead as were sent, and nothing is left to do.

        So what handlers send to routes of the app, and what is tried again, is waited for as well.
        """
        end_s = clock.monotonic_s() + deadline_s
        while (settled := self._settled()) < self._sent or not self._rests():
            if clock.monotonic_s() > end_s:
                raise RingmainError(
                    f"{settled} of {self._sent} messages are settled after {deadline_s:g} s; the daemon's "
                    f"last words:\n{self._daemon.last_words()}"
                )
            clock.sleep_s(_PAUSE_S)

    def counted(self) -> Counted:
        """What the daemon has counted: done, skipped, to be tried again."""
        return self._daemon.counted()

    def dead(self) -> list[Entry]:
        """The dead set, oldest first."""
        dead_set = self._queues.dead_set()
        try:
            return list(dead_set.page(Filter(), _PAGE).entries)
        finally:
            dead_set.close()

    def log(self) -> str:
        """All that the daemon and its handlers have said."""
        return self._daemon.log.read_text(errors="replace")

    def _start(self) -> None:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="ringmain-live-")))
        broker = self._stack.enter_context(EmbeddedBroker())
        self._hand = self._stack.enter_context(Hand(broker.address, PARTITIONS))
        for topic in topics(self.config):
            if problem := self._hand.ask(Request(topic)):
                raise RingmainError(problem)
        self._queues = SqliteQueues(self.config.name, folder / "state" / "queues.db")
        self._daemon = Daemon(self._path, {}, hurry=lambda: False)
        self._daemon.log = folder / LOG_NAME
        self._socket = socket_path(str(folder / "run"), self.config.name, self.config.node)
        stead = Stead(broker.address, folder, f"{LOOPBACK}:{free_port()}")
        for setting in (*overrides(self.config, stead), *self._more):
            self._daemon.override(*setting.split("=", 1))
        self._stack.enter_context(self._daemon)

    def _place_of(self, route: str) -> tuple[Route, str]:
        if (settings := self.config.routes.get(route)) is None:
            raise RingmainError(
                f"there is no route {route!r} in {self._path}: {', '.join(self.config.routes)}"
            )
        if not (named := topics(self.config, route)):
            raise RingmainError(
                f"route {route!r} reads topics by a regular expression only: there is none yet"
            )
        return settings, named[0]

    def _rests(self) -> bool:
        """Nothing in Kafka beyond what is committed, in a ring, or in a queue that comes back."""
        if any(parse(name).kind != "dead" for name, depth in self._queues.depths().items() if depth.messages):
            return False
        answer = asking.ask(self._socket, Look())
        if not isinstance(answer, Node):
            raise RingmainError(f"the daemon does not say how it is: {answer}")
        behind = any(one.lag for one in answer.partitions)
        return not behind and not any(ring.used for ring in answer.rings)

    def _settled(self) -> int:
        self._daemon.check()
        counted = self._daemon.counted()
        depths = self._queues.depths()
        dead = sum(depth.messages for name, depth in depths.items() if parse(name).kind == "dead")
        return counted.done + counted.skip + dead
