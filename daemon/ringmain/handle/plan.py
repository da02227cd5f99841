"""From what an app registered and a config says to all that one call needs.

`run` enters once in each handler process, the Harness once for each route: both call by what is made here, so
a test sees what production does. No seat, no ring and no process is known here; nothing is called or decoded.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ringmain import formats
from ringmain.app import App
from ringmain.config.pools import key_of, pool_of
from ringmain.config.schema import Config, Route
from ringmain.formats import Decode
from ringmain.handle import reading
from ringmain.handle.batches import BatchResolver
from ringmain.handle.resolve import Resolver
from ringmain.message import Message
from ringmain.middleware import compose
from ringmain.rings import ORDERS, BatchPlan, CallPlan
from ringmain.signature import WANTS_RAW, WANTS_VALUE, RouteSpec

ASYNC_CONCURRENCY = 100
"""`concurrency` of an async route or channel that does not say."""
ASYNC_BATCHES = 4
"""The same of an async batch route: batches at once."""


@dataclass(frozen=True)
class Plan:
    """How the messages of a route or channel become calls, and what the calls' ends mean."""

    spec: RouteSpec
    """The handler inside the app's middlewares."""
    settings: Route
    """The route's settings as its pool goes by them."""
    decode: Decode | None
    """None where the handler takes the bytes as they are."""
    resolver: Resolver
    read: Callable[[bytes, Message], object] | None = None
    """What decodes by the message's headers as well; of a batch route only."""

    @property
    def concurrency(self) -> int:
        """Calls at once in one process of an async handler."""
        return self.settings.concurrency or (ASYNC_BATCHES if self.spec.batch else ASYNC_CONCURRENCY)

    def compiled(self) -> CallPlan:
        """The same for the compiled loop."""
        spec = self.spec
        return CallPlan(
            spec.call,
            self.decode,
            self.resolver.resolve,
            spec.wants,
            spec.accepts_none,
            spec.name,
            spec.channel,
        )

    def batches(self) -> BatchPlan | None:
        """The same for the compiled loop of a batch route; None = this is none."""
        if not self.spec.batch:
            return None
        batch = self.settings.batch
        return BatchPlan(
            self.compiled(),
            BatchResolver(self.resolver).settle,
            messages=batch.messages,
            size_bytes=batch.bytes,
            wait_s=batch.wait_s,
            attempts=self.settings.retry.attempts,
            order=ORDERS[self.settings.order],
            read=self.read,
        )

    @property
    def run_limit(self) -> int:
        """Messages of one key that may be claimed as one; 0 = as many as suits the ring."""
        if self.spec.batch or self.settings.transactional:
            return self.settings.batch.messages
        return 1 if self.spec.is_async else 0

    @property
    def hold_after(self) -> int:
        """Failures in a row after which the circuit breaker is to look first; 0 = there is none.

        Of a batch route two batches at least: one that fails as a whole is so many failures, and may be all.
        """
        flood = self.settings.flood
        if not flood:
            return 0
        return max(flood.messages, 2 * self.settings.batch.messages) if self.spec.batch else flood.messages


def build(app: App, config: Config, route: str, channel: str, pause: Callable[[float], None]) -> Plan:
    """The plan of a route, or of its channel; AppError when the app does not fit the config.

    `pause` closes the route for so many seconds: the ring's own, of whoever calls.
    """
    formats.check(app, config)
    settings = pool_of(config, key_of(route, channel)).settings
    handler = app.handler_of(route, channel)
    reads = reading.of(app, settings, handler)
    spec, decode = compose(reads.with_key(handler), app.middlewares), reads.decode
    read = None
    if settings.compressed and spec.wants & (WANTS_VALUE | WANTS_RAW):
        if spec.batch:
            read = reads.reader(config.ring.bytes)
        else:
            spec, decode = reads.inflating(spec, config.ring.bytes), None
    log_text = config.log.exceptions == "full"
    return Plan(spec, settings, decode, Resolver(spec, settings, pause, log_text, reads.explain), read)
