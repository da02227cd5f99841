"""Which message, or which batch, the calls of this process are about, for what they log.

`run` enters once per process. PERF: nothing is looked up unless something is logged. Only the thread that
serves is within a call: a thread of the user's may have been left behind by an earlier one, and says nothing.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from ringmain.config.schema import Config
from ringmain.handle.plan import Plan
from ringmain.logging import Present, Several
from ringmain.message import Message
from ringmain.signature import WANTS_MESSAGE


class Serving(Protocol):
    """A side of the ring that knows what it executes."""

    def present(self, route: str, channel: str) -> Message | None:
        """The message whose call is under way, a copy; None between calls, and in a child that one forked."""
        ...


def of_one(side: Serving, route: str, channel: str) -> Present:
    """Where one call follows another."""
    serves = threading.get_ident()

    def present() -> Message | None:
        return side.present(route, channel) if threading.get_ident() == serves else None

    return present


def of_batches(plan: Plan, config: Config) -> tuple[Plan, Present]:
    """The same of batches, with the plan whose calls say how many messages theirs is about."""
    call, serves = plan.spec.call, threading.get_ident()
    topic, count = one_topic(config, plan.spec.name), 0

    def counted(enter: Callable[[], Any], messages: int) -> Any:
        nonlocal count
        count = messages
        try:
            return enter()
        finally:
            count = 0

    def with_one(values: Any) -> Any:
        return counted(lambda: call(values), len(values))

    def with_two(values: Any, messages: Any) -> Any:
        return counted(lambda: call(values, messages), len(values))

    def present() -> Several | None:
        if not count or threading.get_ident() != serves:
            return None
        return Several(plan.spec.name, plan.spec.channel, topic, count)

    spec = replace(plan.spec, call=with_two if plan.spec.wants & WANTS_MESSAGE else with_one)
    return replace(plan, spec=spec, resolver=replace(plan.resolver, spec=spec)), present


def one_topic(config: Config, route: str) -> str:
    """The topic of all messages of this route; empty where they may be of several."""
    topics = config.routes[route].topics
    return topics[0] if len(topics) == 1 and not topics[0].startswith("^") else ""
