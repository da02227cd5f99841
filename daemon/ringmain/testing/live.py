"""`LiveHarness`: the whole daemon on an embedded broker, for what a Harness has no processes for.

Authors of tests enter. A daemon of its own runs the config with nothing changed but its servers; retries take
their time, a handler that dies is replaced, a stop is a stop. It needs the extra `demo`, and seconds.
"""

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
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
from ringmain.demo.stead import Stead, overrides, reads, topics
from ringmain.errors import NoAnswer, RingmainError
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
        self._wait_while(self._left, end_s)
        rests_s = clock.monotonic_s()
        self._wait_while(lambda: self._uncounted(rests_s), end_s)

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

    def _wait_while(self, left: Callable[[], str], end_s: float) -> None:
        while what := left():
            if clock.monotonic_s() > end_s:
                raise RingmainError(
                    f"not settled in time: {what}; the daemon's last words:\n{self._daemon.last_words()}"
                )
            clock.sleep_s(_PAUSE_S)

    def _uncounted(self, since_s: float) -> str:
        """The daemon tells what it has counted a few times a second."""
        return "" if self._daemon.counted().at_s >= since_s else "the daemon has told no counts"

    def _left(self) -> str:
        """What there is still to do, "" = nothing.

        ORDER: first the node, then the queues, then the broker. What is committed has ended or is in a queue,
        and what a call sends is in Kafka before its message has ended. So if the last look finds nothing in
        Kafka beyond what the first one found committed, nothing came out of Kafka meanwhile; then queues that
        the second one found empty stay so, and all calls had ended by then: the last look misses none of what
        they sent. A feeder's own ends would: they are seconds old.
        """
        if (settled := self._settled()) < self._sent:
            return f"{settled} of {self._sent} messages are settled"
        try:
            node = asking.ask(self._socket, Look())
        except NoAnswer as silence:
            return str(silence)
        if not isinstance(node, Node):
            raise RingmainError(f"the daemon does not say how it is: {node}")
        if held := sum(ring.used for ring in node.rings):
            return f"rings hold {held} messages"
        for name, depth in self._queues.depths().items():
            if depth.messages and parse(name).kind != "dead":
                return f"{name} holds {depth.messages} messages"
        return self._beyond({(one.route, one.topic, one.partition): one.committed for one in node.partitions})

    def _beyond(self, committed: Mapping[tuple[str, str, int], int]) -> str:
        """What is in Kafka beyond it; of a partition that nobody owns yet, nothing is committed."""
        ends = self._hand.ends()
        for route, settings in self.config.routes.items():
            for topic in filter(partial(reads, settings), ends):
                for number, end in enumerate(ends[topic]):
                    done = max(0, committed.get((route, topic, number), 0))
                    if done < end:
                        return f"route {route} has committed {done} of {end} in {topic}/{number}"
        return ""

    def _settled(self) -> int:
        self._daemon.check()
        counted = self._daemon.counted()
        depths = self._queues.depths()
        dead = sum(depth.messages for name, depth in depths.items() if parse(name).kind == "dead")
        return counted.done + counted.skip + dead
