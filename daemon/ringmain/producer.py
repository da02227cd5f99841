"""What a handler's author sends with: a Producer by its name, a Delivery for each message that was sent.

Authors enter by `app.producer(name)`. Whoever runs their code opens each Producer with an Outlet after the
fork: kafka/producing.py's, or the Harness's own. Nothing here encodes or connects. LOSS: an Outbox knows
what one call sent; the call's message is settled only once it is empty, whether or not anybody looked.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from ringmain.errors import AppError, DeliveryFailed

if TYPE_CHECKING:
    import asyncio

HeaderValue = bytes | str | None
Headers = Mapping[str, HeaderValue] | Iterable[tuple[str, HeaderValue]]


class Carried(NamedTuple):
    """What goes along with one message that is sent at this point of the code: a trace's context."""

    headers: Iterable[tuple[str, HeaderValue]]
    ended: Callable[[Delivery | BaseException], object]
    """Told when it is delivered or has failed, perhaps twice; or why it could not be sent at all."""


Carry = Callable[[str], Carried]
"""Asked with the topic, right before a message is sent there."""

_noting = threading.Lock()


class Sent(msgspec.Struct, frozen=True):
    """Where a message came to lie; offset -1 = with `acks=0` nobody knows."""

    topic: str
    partition: int
    offset: int


class Outbox:
    """What one call sent: what is still on its way, and what failed without the call having been told."""

    __slots__ = ("failed", "on_empty", "over", "waiting")

    def __init__(self) -> None:
        # ORDER: added and removed in one step each, so that a thread of the user's may send and wait too.
        # PERF: reports of several partitions come in any order, and a call may send very many messages.
        self.waiting: set[Delivery] = set()
        self.failed: dict[Delivery, DeliveryFailed] = {}
        self.on_empty: Callable[[Outbox], None] | None = None
        self.over = False
        """The call has ended: what is sent now is nobody's."""

    @property
    def failure(self) -> DeliveryFailed | None:
        """The first failure that the call does not know of."""
        return next(iter(self.failed.values()), None)

    def arrived(self, delivery: Delivery) -> None:
        """One more is where it should be, or never will be."""
        if delivery.failure is not None:
            self.failed[delivery] = delivery.failure
        self.waiting.discard(delivery)
        if not self.waiting and self.on_empty is not None:
            self.call_when_empty(self.on_empty)

    def forgotten(self, delivery: Delivery, failure: DeliveryFailed | None) -> None:
        """One was never sent. LOSS: a thread may hear of that when its call has ended, and only waits."""
        if self.over and failure is not None:
            self.failed[delivery] = failure
        self.waiting.discard(delivery)
        if not self.waiting and self.on_empty is not None:
            self.call_when_empty(self.on_empty)

    def call_when_empty(self, callback: Callable[[Outbox], None]) -> None:
        """At once if it is."""
        self.on_empty = callback
        if not self.waiting and self.on_empty is not None:
            self.on_empty = None
            callback(self)


class Outlet(Protocol):
    """Where the messages of one producer go, in this process."""

    @property
    def name(self) -> str:
        """The producer's."""
        ...

    def send(
        self, topic: str, value: Any, key: bytes | str | None, more: Mapping[str, Any] | None
    ) -> Delivery:
        """Put one on its way. `more`: partition, headers, timestamp_ms, as far as they were given."""
        ...

    def wait(self, delivery: Delivery, timeout_s: float | None) -> None:
        """Until it is done; TimeoutError when that takes too long."""
        ...


class Delivery:
    """A message that was sent. `await` it, or ask for its `result()`; nobody has to.

    A handler's message is settled only when all that its call sent is delivered. A failure fails that
    message, unless the handler was told of it by `await` or `result()` and went on: then it has judged.
    """

    __slots__ = ("_outbox", "_outlet", "_unheard", "_waiters", "done", "failure")

    def __init__(self, outlet: Outlet, outbox: Outbox | None) -> None:
        self.done = False
        """Whether it is delivered, or has failed."""
        self.failure: DeliveryFailed | None = None
        """Why it was not delivered."""
        self._outlet, self._outbox = outlet, outbox
        self._waiters: tuple[Callable[[], object], ...] = ()
        self._unheard: Unheard | None = None
        if outbox is not None:
            outbox.waiting.add(self)

    def result(self, timeout_s: float | None = None) -> Sent:
        """Where it lies, once delivered; DeliveryFailed if it never will be, TimeoutError if not yet."""
        if not self.done:
            self._outlet.wait(self, timeout_s)
        return self._told()

    def __await__(self) -> Generator[Any, None, Sent]:
        """The same on the event loop."""
        if not self.done:
            yield from self._future()
        return self._told()

    @property
    def producer(self) -> str:
        """The name of what sent it."""
        return self._outlet.name

    def sent(self) -> Sent:
        """Where it lies; only a delivered one is asked. An outlet's own deliveries say."""
        raise NotImplementedError

    def arrive(self) -> None:
        """It is delivered. Called by its outlet."""
        self._end()

    def fail(self, failure: DeliveryFailed, say: Callable[[DeliveryFailed], None] | None = None) -> None:
        """It never will be. `say`: for a failure that no call hears of and nobody asks for."""
        self.failure = failure
        if self._outbox is None and say is not None:
            self._unheard = Unheard(failure, say)
        self._end()

    def forget(self, failure: DeliveryFailed | None = None) -> None:
        """It was never sent, and the call knows: its exception says so. Called by its outlet."""
        if self._outbox is not None:
            self._outbox.forgotten(self, failure)

    def wake(self, waiter: Callable[[], object]) -> None:
        """Call this when it is done, or now."""
        # ORDER: noted before the look: who ends it sees the waiter, or is seen here. Twice does no harm.
        with _noting:
            self._waiters = (*self._waiters, waiter)
        if self.done:
            waiter()

    def _end(self) -> None:
        self.done = True
        if self._outbox is not None:
            self._outbox.arrived(self)
        for waiter in self._waiters:
            waiter()

    def _told(self) -> Sent:
        if self.failure is not None:
            if self._outbox is not None:
                self._outbox.failed.pop(self, None)
            if self._unheard is not None:
                self._unheard.hear()
            raise self.failure
        return self.sent()

    def _future(self) -> asyncio.Future[None]:
        import asyncio

        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.wake(fulfilling(future))
        return future


class Unheard:
    """A failure that is said when the last one who could have asked for it lets go of its delivery."""

    __slots__ = ("_failure", "_say")

    def __init__(self, failure: DeliveryFailed, say: Callable[[DeliveryFailed], None]) -> None:
        self._failure = failure
        self._say: Callable[[DeliveryFailed], None] | None = say

    def hear(self) -> None:
        """Somebody has asked."""
        self._say = None

    def __del__(self) -> None:
        if self._say is not None:
            self._say(self._failure)


def fulfilling(future: asyncio.Future[None]) -> Callable[[], None]:
    """What ends the wait of this thread's event loop, from whatever thread."""
    loop, thread = future.get_loop(), threading.get_ident()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            if threading.get_ident() != thread:
                loop.call_soon_threadsafe(_fulfil, future)
            else:
                _fulfil(future)

    return wake


def _fulfil(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Producer:
    """Sends messages to Kafka, as `[producers.NAME]` or `[routes.NAME.producer]` of the config says.

    Usable in handlers, hooks and mounted routes: it comes to life in each process by itself, with its first
    message.
    """

    def __init__(self, name: str, place: str, carriers: Sequence[Carry] = ()) -> None:
        self.name = name
        self.place = place
        """file:line where the app asked for it."""
        self._carriers = carriers
        self._open: Callable[[Producer], Outlet] | None = None
        self._outlet: Outlet | None = None

    def send(
        self,
        topic: str,
        value: Any,
        key: bytes | str | None = None,
        *,
        partition: int | None = None,
        headers: Headers | None = None,
        timestamp_ms: int | None = None,
    ) -> Delivery:
        """Send one message: bytes as they are, None as a tombstone, all else by the producer's format.

        Its partition is the given one, else by its key. When the queue to Kafka is full, it waits for room.
        """
        outlet = self._outlet or self._opened()
        if partition is None and headers is None and timestamp_ms is None and not self._carriers:
            return outlet.send(topic, value, key, None)
        carried = [carry(topic) for carry in self._carriers]
        headers = _with_carried(headers, carried)
        said = {"partition": partition, "headers": headers, "timestamp_ms": timestamp_ms}
        try:
            sent = outlet.send(
                topic, value, key, {name: one for name, one in said.items() if one is not None} or None
            )
        except BaseException as error:
            for one in carried:
                one.ended(error)
            raise
        for one in carried:
            sent.wake(partial(one.ended, sent))
        return sent

    def open_by(self, opener: Callable[[Producer], Outlet] | None) -> None:
        """Who makes the outlet when the first message is sent; None = nobody, until it is said again."""
        self._open, self._outlet = opener, None

    def _opened(self) -> Outlet:
        if self._open is None:
            raise AppError(
                f"{self.place}: producer {self.name!r} sends from handlers, hooks and mounted routes only; "
                "in a test use ringmain.testing.Harness"
            )
        self._outlet = self._open(self)
        return self._outlet


def _with_carried(headers: Headers | None, carried: Sequence[Carried]) -> Headers | None:
    """What is carried along comes after the message's own headers, which stand."""
    if not carried:
        return headers
    own = list(headers.items() if isinstance(headers, Mapping) else headers or ())
    names = {name for name, _ in own}
    own += [header for one in carried for header in one.headers if header[0] not in names]
    return own or None
