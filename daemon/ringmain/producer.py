"""What a handler's author sends with: a Producer by its name, a Delivery for each message that was sent.

Authors enter by `app.producer(name)`. Whoever runs their code opens each Producer with an Outlet after the
fork: kafka/producing.py's, or the Harness's own. Nothing here encodes or connects. LOSS: an Outbox of the
fast path knows what one call sent; the call's message is settled only once it is empty, whether or not
anybody looked.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from ringmain._fastpath import PlainSend, Posted
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


Plain = Callable[[str, Any, bytes | str | None], "Delivery"]
"""Puts on its way what is nothing but topic, value and key."""


class Outlet(Protocol):
    """Where the messages of one producer go, in this process."""

    @property
    def name(self) -> str:
        """The producer's."""
        ...

    @property
    def plain(self) -> Plain:
        """send() without `more`, the quickest way there is."""
        ...

    def send(
        self, topic: str, value: Any, key: bytes | str | None, more: Mapping[str, Any] | None
    ) -> Delivery:
        """Put one on its way. `more`: partition, headers, timestamp_ms, as far as they were given."""
        ...

    def wait(self, delivery: Delivery, timeout_s: float | None) -> None:
        """Until it is done; TimeoutError when that takes too long."""
        ...


class Delivery(Posted):
    """A message that was sent. `await` it, or ask for its `result()`; nobody has to.

    A handler's message is settled only when all that its call sent is delivered. A failure fails that
    message, unless the handler was told of it by `await` or `result()` and went on: then it has judged.
    """

    __slots__ = ()

    def result(self, timeout_s: float | None = None) -> Sent:
        """Where it lies, once delivered; DeliveryFailed if it never will be, TimeoutError if not yet."""
        if not self.done:
            self.outlet.wait(self, timeout_s)
        return self._told()

    def __await__(self) -> Generator[Any, None, Sent]:
        """The same on the event loop."""
        if not self.done:
            yield from self._future()
        return self._told()

    @property
    def producer(self) -> str:
        """The name of what sent it."""
        name: str = self.outlet.name
        return name

    def sent(self) -> Sent:
        """Where it lies; only a delivered one is asked."""
        return Sent(self.topic, self.partition, self.offset)

    def arrive(self) -> None:
        """It is delivered. Called by its outlet."""
        self.end()

    def fail(self, failure: DeliveryFailed, say: Callable[[DeliveryFailed], None] | None = None) -> None:
        """It never will be. `say`: for a failure that no call hears of and nobody asks for."""
        self.failure = failure
        if self.outbox is None and say is not None:
            self.unheard = Unheard(failure, say)
        self.end()

    def forget(self, failure: DeliveryFailed | None = None) -> None:
        """It was never sent, and the call knows: its exception says so. Called by its outlet."""
        if self.outbox is not None:
            self.outbox.forgotten(self, failure)

    def wake(self, waiter: Callable[[], object]) -> None:
        """Call this when it is done, or now."""
        # ORDER: noted before the look: who ends it sees the waiter, or is seen here. Twice does no harm.
        with _noting:
            self.waiters = (*self.waiters, waiter)
        if self.done:
            waiter()

    def _told(self) -> Sent:
        if self.failure is not None:
            if self.outbox is not None:
                self.outbox.heard(self)
            if self.unheard is not None:
                self.unheard.hear()
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


class Producer(PlainSend):
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

    def send_more(self, topic: str, value: Any, key: bytes | str | None, more: dict[str, Any]) -> Delivery:
        """Send one that has more than that, or carries something along, or is the first."""
        outlet = self._outlet or self._opened()
        carried = [carry(topic) for carry in self._carriers]
        if carried and (headers := _with_carried(more.pop("headers", None), carried)):
            more["headers"] = headers
        try:
            sent = outlet.send(topic, value, key, more or None)
        except BaseException as error:
            for one in carried:
                one.ended(error)
            raise
        for one in carried:
            sent.wake(partial(one.ended, sent))
        return sent

    def open_by(self, opener: Callable[[Producer], Outlet] | None) -> None:
        """Who makes the outlet when the first message is sent; None = nobody, until it is said again."""
        self._open, self._outlet, self.plain = opener, None, None

    def _opened(self) -> Outlet:
        if self._open is None:
            raise AppError(
                f"{self.place}: producer {self.name!r} sends from handlers, hooks and mounted routes only; "
                "in a test use ringmain.testing.Harness"
            )
        self._outlet = self._open(self)
        self.plain = None if self._carriers else self._outlet.plain
        return self._outlet


def _with_carried(headers: Headers | None, carried: Sequence[Carried]) -> Headers:
    """What is carried along comes after the message's own headers, which stand."""
    own = list(headers.items() if isinstance(headers, Mapping) else headers or ())
    names = {name for name, _ in own}
    own += [header for one in carried for header in one.headers if header[0] not in names]
    return own
