"""The loop of an async batch route: up to `concurrency` batches at once on one event loop.

`run` enters once per process. One task a batch, whose time is `timeout_s`. What is to be called alone after
a batch has failed is called one by one, so that messages of a key stay in order. Nothing is decided here.
"""

import asyncio
import contextvars
from collections.abc import Iterator
from typing import Any

from ringmain.handle.batches import BatchResolver
from ringmain.handle.concurrent import Overlapping, Terms
from ringmain.handle.present import one_topic
from ringmain.handle.resolve import CALL
from ringmain.handle.work import Work
from ringmain.logging import Several
from ringmain.rings import BatchClaim, BatchPlan
from ringmain.signature import WANTS_MESSAGE
from ringmain.verdict import RETURNED

_batch: contextvars.ContextVar[BatchClaim | None] = contextvars.ContextVar("ringmain.batch", default=None)
"""Whose call a task, or a thread or another task that it began, belongs to."""


class BatchCalls(Overlapping[BatchClaim]):
    """Calls of many messages each."""

    def __init__(self, work: Work, plan: BatchPlan, terms: Terms, events: asyncio.AbstractEventLoop) -> None:
        super().__init__(work, terms, events)
        self._plan = plan
        self._resolver = BatchResolver(terms.resolver)
        self._topic = one_topic(work.seat.config, self._spec.name)
        self._rests: dict[BatchClaim, Iterator[BatchClaim]] = {}
        """By what is called alone now: what is to be called after it."""

    def present(self) -> Several | None:
        """The batch whose call asks; None outside of any, and for what a call left behind when it ended."""
        batch = _batch.get()
        if batch not in self._running:
            return None
        return Several(self._spec.name, self._spec.channel, self._topic, len(batch))

    def _finished(self) -> bool:
        # What is held behind a call that never ends may have to wait for a suspect: others call it.
        return super()._finished() and (not self._side.held or bool(self._running))

    def _abandon(self) -> None:
        self._side.return_held()
        super()._abandon()

    def _room(self) -> int:
        """What is held is called even when nothing new may begin."""
        if self._work.over:
            return 1 if self._side.held else 0
        return self._terms.concurrency - len(self._running)

    def _take(self, room: int) -> bool:
        batch = self._side.batch(self._plan, 0 if self._work.over else self._work.room)
        if batch is None:
            return False
        # Counted as it begins: what is under way cannot begin once more.
        self._work.count(batch.executed)
        if len(batch):
            self._start(batch)
        if self._side.held and self._room() <= 0:
            self._side.return_held()  # what waits behind slow batches here, others may call
        return True

    def _start(self, batch: BatchClaim) -> None:
        self._running[batch] = self._events.create_task(self._call(batch), context=self._context.copy())
        self._watch_by(self._terms.timeout_s)

    async def _call(self, batch: BatchClaim) -> None:
        _batch.set(batch)
        try:
            result = await self._coroutine(batch)
        except BaseException as error:
            self._end(batch, None, error, CALL)
        else:
            self._end(batch, result, None, CALL)

    def _coroutine(self, batch: BatchClaim) -> Any:
        # The handler may do with its lists what it likes; what it says is about the batch's own.
        if self._spec.wants & WANTS_MESSAGE:
            return self._spec.call(batch.values[:], batch.messages[:])
        return self._spec.call(batch.values[:])

    def _end(self, batch: BatchClaim, result: object, error: BaseException | None, stage: int) -> None:
        self._work.leave_if_forked()
        if self._running.pop(batch, None) is None:
            return
        if batch in self._overdue:
            self._fail_overdue(batch)
        elif result is None and error is None:
            batch.done()
            self._go_on(batch, iter(()))
        else:
            self._go_on(batch, self._resolver.settle(batch, result, error))
        self._work.count(0)  # nothing more was begun; that something ended is news
        self._refill_soon()

    def _go_on(self, batch: BatchClaim, alone: Iterator[BatchClaim]) -> None:
        """Call the next of what is called alone: of this batch, or of the one that it was a part of."""
        behind = self._rests.pop(batch, iter(()))
        for rest in (alone, behind):
            if (one := next(rest, None)) is not None:
                self._rests[one] = rest
                self._start(one)
                return

    def _fail_overdue(self, batch: BatchClaim) -> None:
        del self._overdue[batch]
        alone = self._resolver.timed_out(batch, self._terms.timeout_s)
        if not self._events.is_running():
            self._hand_back(alone)
            self._hand_back(self._rests.pop(batch, iter(())))
            return
        self._go_on(batch, alone)

    def _return(self, batch: BatchClaim) -> None:
        for n in range(len(batch)):
            batch.finish(n, RETURNED)
        self._hand_back(self._rests.pop(batch, iter(())))

    def _hand_back(self, alone: Iterator[BatchClaim]) -> None:
        """This process ends: another one calls them."""
        for one in alone:
            one.finish(0, RETURNED)
