"""`Harness`: an app's handlers called as production calls them, with no server, no fork and no waiting.

Authors of tests enter. From the slot in a ring to the verdict that comes out of it this is production's own
path: decoder, middlewares, call, resolver, policy, the courier's letters. Only who brings a message back
after a delay is another: the harness keeps due times itself, on a clock that it moves.
"""

import heapq
import itertools
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, Self, Unpack

from ringmain import clock
from ringmain.app import App
from ringmain.config.pools import Pool as PoolSettings
from ringmain.config.pools import key_of, pools
from ringmain.config.schema import Route
from ringmain.courier.letters import Desk, Letter
from ringmain.errors import RingmainError
from ringmain.handle import hooks as app_hooks
from ringmain.handle import plan
from ringmain.message import Message
from ringmain.queues import names
from ringmain.queues.envelope import Envelope
from ringmain.testing.pool import LIMIT_BYTES, Place, Pool
from ringmain.testing.producing import Workshop
from ringmain.testing.results import DeadMessage, Produced, Result
from ringmain.testing.settings import Given, config_for
from ringmain.testing.stage import stage
from ringmain.testing.track import Track
from ringmain.testing.turns import AsyncServer, Server, SyncServer
from ringmain.testing.values import About, encoded, header_pairs, key_bytes

MOST_STEPS = 10_000
"""Of one message: a handler that asks for another attempt for ever must not hang its test."""


class Due(NamedTuple):
    """A message in a delay queue."""

    at_s: float
    number: int  # no two are the same: those due at once come in the order they went
    pool: str
    message: Envelope


class Sent:
    """A message that was begun; `result` is what is known of it by now."""

    def __init__(self, track: Track) -> None:
        self._track = track

    @property
    def result(self) -> Result:
        """As it stands at this moment of the harness's clock."""
        return self._track.result()


class Harness:
    """The handlers of one app, with a clock that jumps.

    `config` is the path of a config file, a dict with what this test is about, or nothing. `hooks=False`
    leaves out `on_start` and `on_stop`: the test puts what handlers need into `app.state` itself.
    """

    def __init__(self, app: App, config: Given = None, *, hooks: bool = True) -> None:
        self.app, self.config = app, config_for(app, config)
        self.dead: list[DeadMessage] = []
        """The dead set, oldest first."""
        self._now_s, self._began_ms = 0.0, clock.wall_ms()
        self._delayed: list[Due] = []
        self._numbers = itertools.count()
        self._tracks: dict[str, Track] = {}
        self._offsets: dict[tuple[str, int], int] = {}
        self._pools: dict[str, Pool] = {}
        self._servers: dict[str, Server] = {}
        self._hooks = hooks
        self._workshop = Workshop(app, self.config, self._note)
        self._stage = stage()
        self._release = weakref.finalize(self, self._stage.close)
        try:
            for each in pools(self.config):
                self._open(each)
            if hooks:
                app_hooks.start(app.start_hooks, self._stage.events)
        except BaseException:
            self._release()
            raise

    @property
    def produced(self) -> list[Produced]:
        """All that was sent, by handlers and hooks, oldest first."""
        return self._workshop.tray.produced

    def refuse(self, topic: str, reason: str = "refused by the test") -> None:
        """Deliver nothing to this topic from now on: what is sent there fails as where Kafka says no."""
        self._workshop.tray.refused[topic] = reason

    # -- what a test says --------------------------------------------------------------------------------

    def send(self, route: str, value: Any, **about: Unpack[About]) -> Result:
        """One message as Kafka would bring it, through all its retries; what became of it.

        `about`: key, headers, topic, partition, timestamp_ms, and channel for one that was sent there.
        A value that is not bytes is encoded in the route's format; None is a tombstone.
        """
        sent = self.begin(route, value, **about)
        self._finish([sent])
        return sent.result

    def send_all(self, route: str, values: Iterable[Any], **about: Unpack[About]) -> list[Result]:
        """The same of many that are there at once: batches, and async calls beside each other."""
        sent = [self.begin(route, value, **about) for value in values]
        self._finish(sent)
        return [each.result for each in sent]

    def begin(self, route: str, value: Any, **about: Unpack[About]) -> Sent:
        """Place one message and call nobody yet; `advance` does."""
        channel = about.get("channel", "")
        settings = self._route(route, channel)
        topic, partition = about.get("topic") or _topic(settings), about.get("partition", 0)
        offset = self._offsets[topic, partition] = self._offsets.get((topic, partition), -1) + 1
        message = Envelope(
            value=encoded(value, self.app, settings, topic),
            key=key_bytes(about.get("key")),
            headers=header_pairs(about.get("headers")),
            topic=topic,
            partition=partition,
            offset=offset,
            timestamp_ms=about.get("timestamp_ms", self.now_ms),
        )
        track = self._tracks[message.message_id] = Track(message.message_id, route)
        self._place(key_of(route, channel), message, "" if channel else settings.through or "")
        return Sent(track)

    def advance(self, for_s: float = 0.0) -> None:
        """Let so much time pass on the harness's clock; what is due by then is called."""
        end_s = self._now_s + for_s
        self._serve()
        while (due_s := self._next_s()) is not None and due_s <= end_s:
            self._tick(due_s)
            self._serve()
        self._tick(end_s)

    @property
    def now_s(self) -> float:
        """Seconds on the harness's clock since it was made."""
        return self._now_s

    @property
    def now_ms(self) -> int:
        """The same as a time of day, for timestamps."""
        return self._began_ms + round(self._now_s * 1000)

    def close(self) -> None:
        """Call on_stop and let go of everything; one that is never closed is let go of without on_stop."""
        if self._release.alive:
            if self._hooks:
                app_hooks.stop(self.app.stop_hooks, self._stage.events)
            self._workshop.close()
            self._servers.clear()
            self._pools.clear()
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- pools -------------------------------------------------------------------------------------------

    def _open(self, settings: PoolSettings) -> None:
        place, route, channel = self._place_of(settings), settings.route, settings.channel
        handled = (route, channel) in self.app.handlers or settings.settings.through is None
        planned = partial(self._planned, route, channel) if handled else None
        pool = self._pools[settings.key] = Pool(place, planned)
        self._stage.memory.append(pool.memory)
        if planned:
            self._servers[settings.key] = self._server(pool, route, channel)

    def _planned(self, route: str, channel: str, pause: Callable[[float], None]) -> plan.Plan:
        return self._workshop.planned(plan.build(self.app, self.config, route, channel, pause))

    def _note(self, message_id: str, produced: Produced) -> None:
        self._tracks[message_id].produced.append(produced)

    def _server(self, pool: Pool, route: str, channel: str) -> Server:
        settle = partial(self._settle, pool)
        if not pool.plan.spec.is_async:
            return SyncServer(pool, settle)
        return AsyncServer(pool, self._stage.seat(self.config, route, channel), self._stage.events, settle)

    def _place_of(self, pool: PoolSettings) -> Place:
        desk = Desk(
            app=self.config.name,
            route=pool.route,
            node=self.config.node,
            policy=pool.retry,
            limit_bytes=LIMIT_BYTES,
            channel=pool.channel,
            channels=frozenset(pool.settings.channels),
        )
        return Place(pool.key, pool.settings.order, self.config.ring.bytes, desk)

    def _route(self, route: str, channel: str) -> Route:
        settings = self.config.routes.get(route)
        if settings is None or (channel and channel not in settings.channels):
            what = f"channel {channel!r} of route {route!r}" if channel else f"route {route!r}"
            raise RingmainError(f"{what} is not in the harness's config; it has {', '.join(self._pools)}")
        return settings

    # -- a message's way ---------------------------------------------------------------------------------

    def _finish(self, sent: Iterable[Sent]) -> None:
        """Serve, and jump to the next time that something is due, until these are settled."""
        tracks = [each._track for each in sent]
        self._serve()
        while not all(track.settled for track in tracks):
            if any(len(track.steps) > MOST_STEPS for track in tracks):
                raise RingmainError(
                    f"a message is not settled after {MOST_STEPS} calls; use begin and advance"
                )
            due_s = self._next_s()
            if due_s is None:
                raise RingmainError("a message is not settled, and nothing is due: its call never ended")
            self._tick(due_s)
            self._serve()

    def _place(self, pool: str, message: Envelope, through: str = "") -> None:
        channel = self._pools[pool].place.desk.channel
        self._tracks[message.message_id].placed(message.attempt, channel)
        if not self._pools[pool].put(message, through):
            self._serve()  # what is there makes room
            if not self._pools[pool].put(message, through):
                raise RingmainError(f"the ring of {pool} is full of messages that wait; advance the clock")

    def _serve(self) -> None:
        """Call for all that is ready, in every pool, until none is."""
        while True:
            for key, pool in self._pools.items():
                self._settle(pool)
                if pool.ready and key in self._servers:
                    self._workshop.serving = key
                    self._servers[key].serve()
                    self._workshop.serving = ""
            if not any(pool.ready and key in self._servers for key, pool in self._pools.items()):
                return

    def _settle(self, pool: Pool) -> None:
        news = pool.settle(self.now_ms)
        for said in news.said:
            self._tracks[said.id].say(said, self._now_s)
        for message_id in news.settled:
            self._tracks[message_id].settle(self._now_s)
        for message_id, letter in news.letters:
            self._deliver(self._tracks[message_id], letter)

    def _deliver(self, track: Track, letter: Letter) -> None:
        """What the queues would do with it."""
        place = names.parse(letter.queue)
        pool = key_of(place.route, place.channel)
        if place.kind == "dead":
            track.dead = _entry(place, letter.envelope)
            track.settled = True
            self.dead.append(track.dead)
        elif place.kind == "delay":
            due = Due(self._now_s + place.delay_s, next(self._numbers), pool, letter.envelope)
            heapq.heappush(self._delayed, due)
        else:
            self._place(pool, letter.envelope)

    # -- time --------------------------------------------------------------------------------------------

    def _next_s(self) -> float | None:
        """When something is due next."""
        times = [due_s for pool in self._pools.values() if (due_s := pool.due_s()) is not None]
        return min([*times, *(due.at_s for due in self._delayed[:1])], default=None)

    def _tick(self, now_s: float) -> None:
        self._now_s = now_s
        for pool in self._pools.values():
            for message_id, attempt in pool.tick(now_s):
                self._tracks[message_id].placed(attempt, pool.place.desk.channel)
        while self._delayed and self._delayed[0].at_s <= now_s:
            due = heapq.heappop(self._delayed)
            self._place(due.pool, due.message)


def _topic(settings: Route) -> str:
    """A topic that the route reads; of a regular expression none can be made up."""
    return next((topic for topic in settings.topics if not topic.startswith("^")), settings.name)


def _entry(place: names.Place, dead: Envelope) -> DeadMessage:
    message = Message(
        dead.value,
        key=dead.key,
        headers=dead.headers,
        topic=dead.topic,
        partition=dead.partition,
        offset=dead.offset,
        timestamp_ms=dead.timestamp_ms,
        attempt=dead.attempt,
        route=place.route,
        channel=place.channel,
    )
    return DeadMessage(
        place.route, place.channel, message, dead.error_class, dead.error_message, dead.traceback
    )
