"""What a transaction is made of: claims that come together, calls one after another, and what each has sent.

handle/transactions.py enters. Nothing here begins or commits. A message is decoded right before its call, so
that one that cannot be decoded leaves in its place: verdicts are the caller's to leave.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from ringmain._fastpath import Outbox
from ringmain.errors import DeliveryFailed
from ringmain.handle.plan import Plan
from ringmain.handle.resolve import CALL, DECODE, TOMBSTONE
from ringmain.message import Message
from ringmain.producer import Delivery
from ringmain.rings import ORDERS, BatchClaim, BatchPlan, CallPlan
from ringmain.signature import WANTS_MESSAGE, WANTS_ONLY_MESSAGE, WANTS_VALUE
from ringmain.verdict import DONE, RETURNED

Verdict = tuple[int, bytes]
_DONE: Verdict = (DONE, b"")


@dataclass
class Run:
    """Calls in one transaction, one after another; `stop` is the verdict of one that did not end well."""

    verdicts: list[Verdict] = field(default_factory=list)
    boxes: list[Box | None] = field(default_factory=list)
    stop: Verdict | None = None
    dirty: bool = False
    """Something is in the transaction that must not be."""

    @property
    def length(self) -> int:
        """Calls that ended well."""
        return len(self.verdicts)

    def fail_at(self, n: int, verdict: Verdict) -> None:
        """What the nth call sent is not delivered."""
        self.stop, self.dirty = verdict, True
        del self.verdicts[n:], self.boxes[n:]


class Box(Outbox):
    """What one call sent. LOSS: a failure dooms its transaction, whether or not the call was told of it."""

    __slots__ = ("lost",)

    def __init__(self) -> None:
        self.lost: DeliveryFailed | None = None

    def arrived(self, delivery: Delivery) -> None:
        """One more is where it should be, or never will be."""
        self.lost = self.lost or delivery.failure
        super().arrived(delivery)


class Calls:
    """How one message is called, and what its end means."""

    def __init__(self, plan: Plan) -> None:
        self._spec, self._decode, self.resolver = plan.spec, plan.decode, plan.resolver
        self._argue = _arguments(plan)
        self._serves = threading.get_ident()
        self._under_way: Message | None = None

    def present(self) -> Message | None:
        """The message whose call is under way, for what it logs; threads of its own say nothing."""
        return self._under_way if threading.get_ident() == self._serves else None

    def execute(self, message: Message) -> Verdict:
        """Its verdict."""
        self._under_way = message
        try:
            return self._execute(message)
        finally:
            self._under_way = None

    def _execute(self, message: Message) -> Verdict:
        if message.value is None and not self._spec.accepts_none:
            return self.resolver.resolve(message, None, None, TOMBSTONE)
        stage, result, failed = DECODE, None, None
        try:
            arguments = self._argue(message)
            stage = CALL
            result = self._spec.call(*arguments)
        except BaseException as error:
            failed = error
        if result is None and failed is None:
            return _DONE
        return self.resolver.resolve(message, result, failed, stage)


def _arguments(plan: Plan) -> Callable[[Message], tuple[object, ...]]:
    wants, decode = plan.spec.wants, plan.decode
    if wants & WANTS_ONLY_MESSAGE:
        return lambda message: (message,)

    def value_of(message: Message) -> object:
        value = message.value
        return value if value is None or decode is None or not wants & WANTS_VALUE else decode(value)

    if wants & WANTS_MESSAGE:
        return lambda message: (value_of(message), message)
    return lambda message: (value_of(message),)


def give_back(batch: BatchClaim, at: int) -> None:
    """From the `at`th on they come again, nothing counted."""
    for n in range(at, len(batch)):
        batch.finish(n, RETURNED)


def gathering(plan: Plan) -> BatchPlan:
    """How claims come together. They are decoded call by call: none leaves before its transaction."""
    spec, batch = plan.spec, plan.settings.batch
    raw = CallPlan(_never, None, _never, WANTS_ONLY_MESSAGE, True, spec.name, spec.channel)
    attempts, order = plan.settings.retry.attempts, ORDERS[plan.settings.order]
    return BatchPlan(
        raw,
        _settle_nothing,
        messages=batch.messages,
        size_bytes=batch.bytes,
        wait_s=0.0,
        attempts=attempts,
        order=order,
    )


def _never(*_arguments: object) -> tuple[int, bytes]:
    raise NotImplementedError("nothing is called or judged where claims come together")


def _settle_nothing(*_arguments: object) -> tuple[BatchClaim, ...]:
    return ()
