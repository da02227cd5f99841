"""Queues declared as they are needed, on a channel of their own.

Publisher and taker enter: they ask `is_there`, and hold what is for a queue that is not there yet. A queue
that the broker will not give us as we need it is a trouble that is tried again; others go on meanwhile.
"""

import logging
import random
from collections.abc import Sequence
from typing import Any

from pika import spec

from ringmain.clock import monotonic_s
from ringmain.queues.backoff import Backoff
from ringmain.queues.contract import Away
from ringmain.queues.rabbit.dialogue import Dialogue, Script
from ringmain.queues.rabbit.topology import Topology, said

REST_S = 5.0
REBIRTH_S = 2.0
"""A queue that is deleted and declared again at once keeps its consumers on RabbitMQ's books and gives them
nothing, without a word (tried: quorum, 3.10). After a while they have been told that it is gone."""

log = logging.getLogger(__name__)


class Declaring:
    """What is declared on this connection, what is wanted, and what went wrong."""

    def __init__(self, dialogue: Dialogue, topology: Topology) -> None:
        self._dialogue = dialogue
        self._topology = topology
        self._there: set[str] = set()
        self._made: dict[str, None] = {}
        self._wanted: dict[str, None] = {}
        self._troubles: dict[str, Away] = {}
        self._backoff = Backoff()
        self._not_before_s = 0.0

    def is_there(self, queue: str) -> bool:
        """Is it declared in this life of the connection? If not it is wanted from now on."""
        if queue in self._there:
            return True
        self._wanted[queue] = None
        return False

    def made(self) -> list[str]:
        """What was declared since the last call."""
        made, self._made = list(self._made), {}
        return made

    def rest(self, queue: str) -> None:
        """It is there and of no use: look again later."""
        self._there.discard(queue)
        self._not_before_s = monotonic_s() + REST_S

    def forget(self, queue: str) -> None:
        """It is not there any more: somebody deleted it, or its node went with it."""
        if queue in self._there:
            self._there.discard(queue)
            self._not_before_s = monotonic_s() + REBIRTH_S
            log.warning("queue is gone and is declared again", extra={"queue": queue})

    def go_on(self, now_s: float) -> None:
        """Ask for what is wanted, if nothing is asked now and a refusal is not too fresh."""
        if self._wanted and not self._dialogue.busy and self._pause_s(now_s) == 0:
            self._dialogue.run(self._declare(list(self._wanted)))

    def ask(self, script: Script) -> None:
        """Something else on this channel; not while the next answer is awaited."""
        if not self._dialogue.busy:
            self._dialogue.run(script)

    def answer(self, method: Any) -> None:
        """The broker's word on this channel."""
        if not self._dialogue.answer(method) and isinstance(method, spec.Channel.Close):
            log.warning("rabbitmq closed the channel", extra={"reason": said(method)})

    def trouble(self) -> Away | None:
        """Why some queue cannot be had, the oldest trouble first."""
        return next(iter(self._troubles.values()), None)

    def wait_s(self, now_s: float) -> float | None:
        """Until go_on() has something to try again; None while nothing is wanted or an answer is awaited."""
        return self._pause_s(now_s) if self._wanted and not self._dialogue.busy else None

    def _pause_s(self, now_s: float) -> float:
        return max(self._backoff.wait_s(now_s), self._not_before_s - now_s, 0.0)

    def drop(self) -> None:
        """The connection is gone: what it knew may not be true on the next one."""
        self._dialogue.drop()
        self._there.clear()
        self._wanted.clear()
        self._backoff.succeeded()

    def _declare(self, queues: Sequence[str]) -> Script:
        failed = False
        for queue in queues:
            if unable := self._topology.unable(*self._dialogue.broker):
                self._refused(queue, unable)
                failed = True
                break
            for needed in self._topology.needed(queue):
                if needed in self._there:
                    continue
                answer = yield self._topology.declare(needed)
                if isinstance(answer, spec.Channel.Close):
                    self._refused(queue, self._topology.refusal(needed, answer))
                    failed = True
                    break
                self._there.add(needed)
                self._made[needed] = None
            else:
                self._wanted.pop(queue, None)
                self._troubles.pop(queue, None)
        if failed:
            self._backoff.failed(monotonic_s(), random.random())
        else:
            self._backoff.succeeded()

    def _refused(self, queue: str, reason: str) -> None:
        before = self._troubles.get(queue)
        self._troubles[queue] = Away(reason, before.since_s if before else monotonic_s(), refused=True)
        if before is None:  # who holds the connection says it, once for all its queues
            log.debug("queue cannot be used", extra={"queue": queue, "reason": reason})
