"""Sends a partition elsewhere: to its owner here, or, when another node owns it, over to that one.

An operator enters with `seek`, the herald with a seek that another node was asked for, a feeder with its
answer. How it is done is the feeder's; nothing here knows an offset before it is told.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from ringmain import clock, control
from ringmain.lifecycle import Seek, Sought
from ringmain.supervise import words
from ringmain.supervise.commands import Answer, Later
from ringmain.supervise.ending import Ending
from ringmain.supervise.memory import Memory
from ringmain.supervise.nursery import Nursery
from ringmain.supervise.posts import Child

EDGES = ("earliest", "latest")
GRACE_S = 20.0
"""Beyond revoke_s: the broker is asked, and a commit waited for."""
_MOST_DIGITS = 18
_log = logging.getLogger(__name__)


@dataclass
class _Asked:
    request: control.Seek
    child: Child
    later: Later
    due_s: float


class Seeking:
    """The seeks under way."""

    def __init__(self, memory: Memory, nursery: Nursery, ending: Ending) -> None:
        self._memory, self._nursery, self._ending = memory, nursery, ending
        self._asked: dict[tuple[int, str, int], _Asked] = {}
        self.pass_on: Callable[[control.Seek], Answer] | None = None
        """Have another node do it, if one owns the partition."""

    def told(self, request: control.Seek) -> Answer:
        """An operator's wish."""
        topic, reason = self._topic_of(request)
        if reason:
            return control.Refused(reason, unknown=request.route not in self._memory.config.routes)
        order = order_of(topic, request.partition, request.to)
        if order is None:
            said = "is no offset, no ISO 8601 time, neither earliest nor latest"
            return control.Refused(f"{request.to!r} {said}")
        owner = self._owner(request.route, topic, request.partition)
        if owner is not None:
            return self._send(owner, request, order)
        answer = self.pass_on(request) if self.pass_on is not None else None
        if answer is None or isinstance(answer, control.Refused):
            why = "" if answer is None else f", and {answer.reason}"
            return control.Refused(f"nobody here owns {topic}/{request.partition} now{why}", unknown=True)
        return answer

    def told_by_node(self, request: words.Asked) -> Answer | None:
        """Another node was asked: done if the partition is ours, None if it is none of our business."""
        if not isinstance(request, control.Seek):
            return None
        topic, reason = self._topic_of(request)
        order = None if reason else order_of(topic, request.partition, request.to)
        owner = self._owner(request.route, topic, request.partition)
        return self._send(owner, request, order) if order is not None and owner is not None else None

    def sought(self, child: Child, report: Sought) -> None:
        """A feeder has done it, or says why not."""
        asked = self._asked.pop((child.pid, report.topic, report.partition), None)
        if asked is None:
            return
        subject = f"{report.topic}/{report.partition}"
        said = {"subject": subject, "offset": report.offset, "to": asked.request.to}
        if report.reason:
            _log.warning("seek refused", extra={**said, "reason": report.reason})
            asked.later.answer(control.Refused(f"{subject}: {report.reason}"))
            return
        _log.info("sought", extra={**said, "operator": asked.request.operator})
        asked.later.answer(control.Done(f"{subject} goes on at offset {report.offset}"))

    def step(self, now_s: float) -> float:
        """Those whose feeder is gone or silent are told so; when to look again."""
        alive = {child.pid for child in self._nursery.children}
        for key, asked in list(self._asked.items()):
            if asked.child.pid not in alive or now_s >= asked.due_s:
                del self._asked[key]
                said = f"{asked.child.title} did not answer: look where the partition is before asking again"
                asked.later.answer(control.Refused(said))
        return min((asked.due_s for asked in self._asked.values()), default=math.inf)

    def _send(self, owner: Child, request: control.Seek, order: Seek) -> Answer:
        key = owner.pid, order.topic, order.partition
        if key in self._asked:
            return control.Refused(f"{order.topic}/{order.partition} is on its way already: ask again")
        if not self._ending.goes_on:
            return control.Refused("the node is quiet or stopping")
        if not owner.leash.send(order):
            return control.Refused(f"{owner.title} takes no orders now")
        due_s = clock.monotonic_s() + self._memory.config.revoke_s + GRACE_S
        asked = self._asked[key] = _Asked(request, owner, Later(), due_s)
        return asked.later

    def _topic_of(self, request: control.Seek) -> tuple[str, str]:
        route = self._memory.config.routes.get(request.route)
        if route is None:
            return "", f"there is no route {request.route!r} here"
        if request.topic:
            return request.topic, ""
        if len(route.topics) != 1 or route.topics[0].startswith("^"):
            return "", f"{request.route} takes several topics: say which one the partition is of"
        return route.topics[0], ""

    def _owner(self, route: str, topic: str, partition: int) -> Child | None:
        feeders = self._nursery.children.of("feed", route, "kafka")
        staying = [one for one in feeders if not one.retiring]
        return next((one for one in staying if (topic, partition) in map(tuple, one.partitions)), None)


def order_of(topic: str, partition: int, to: str) -> Seek | None:
    """What the feeder is told; None when `to` means nothing."""
    to = to.strip()
    if to.isascii() and to.isdigit() and len(to) <= _MOST_DIGITS:
        return Seek(topic, partition, offset=int(to))
    if to in EDGES:
        return Seek(topic, partition, edge=to)
    since_ms = _iso_ms(to)
    return Seek(topic, partition, since_ms=since_ms) if since_ms is not None and since_ms >= 0 else None


def _iso_ms(text: str) -> int | None:
    """A time without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
