"""Serving a pool's ring until nothing in it can be served: sync in a plain loop, async on an event loop.

The harness enters after it has placed something. The async way is production's own loop of calls; what ends
it here is that nothing is left, there an order of the supervisor's.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ringmain import lifecycle
from ringmain.errors import RingmainError
from ringmain.handle import present
from ringmain.handle.concurrent import GRACE_S, Calls, Terms
from ringmain.handle.concurrent_batches import BatchCalls
from ringmain.handle.limits import Limits
from ringmain.handle.work import Work
from ringmain.logging import spoken
from ringmain.seat import Seat
from ringmain.testing.pool import Pool

Settle = Callable[[], None]


class Server(Protocol):
    """Serves one pool."""

    def serve(self) -> None:
        """Call for all that is ready, and for what becomes ready by that."""


class SyncServer:
    """One call at a time."""

    def __init__(self, pool: Pool, settle: Settle) -> None:
        self._pool, self._settle = pool, settle

    def serve(self) -> None:
        """Until a claim brings nothing."""
        spec, executed = self._pool.plan.spec, True
        while executed and self._pool.ready:
            with spoken(present.of_one(self._pool.handler, spec.name, spec.channel)):
                executed = self._pool.serve() > 0
            self._settle()


@dataclass
class _Turn(Work):
    """A handler's work that is over as soon as nothing can be called any more."""

    pool: Pool = field(kw_only=True)
    settle: Settle = field(kw_only=True)
    error: Exception | None = field(default=None, init=False)

    def count(self, executed: int) -> None:
        """After each call: its verdict is carried at once, so that what hung behind it comes next."""
        super().count(executed)
        try:
            self.settle()
        except Exception as error:  # raised in a call's task it would be nobody's, and the loop would not end
            self.error = self.error or error
            self.end(lifecycle.OK)
        if not (self.side.executing or self.side.held or self.pool.ready):
            self.end(lifecycle.OK)


class AsyncServer:
    """As many calls at once as the route allows."""

    def __init__(self, pool: Pool, seat: Seat, events: asyncio.AbstractEventLoop, settle: Settle) -> None:
        plan = pool.plan
        limits = Limits(None, None)
        self._pool = pool
        self._work = _Turn(seat, pool.handler, plan.compiled(), limits, pool=pool, settle=settle)
        terms = Terms(plan.resolver, plan.decode, plan.concurrency, plan.settings.timeout_s, GRACE_S)
        batches = plan.batches()
        self._calls: BatchCalls | Calls = (
            BatchCalls(self._work, batches, terms, events) if batches else Calls(self._work, terms, events)
        )

    def serve(self) -> None:
        """Until nothing runs and nothing is ready."""
        if not self._pool.ready:
            return
        if _a_loop_runs():
            raise RingmainError(
                "the harness runs an event loop of its own: use it in a `def` test, not async"
            )
        self._work.exit_code = self._work.error = None
        with spoken(self._calls.present):
            self._calls.run()
        if self._work.error is not None:
            raise self._work.error


def _a_loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
