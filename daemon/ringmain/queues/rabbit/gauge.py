"""Counts what is in the queues, on a channel of its own, without knowing which of them are there.

control.py holds one. A queue is asked for passively, so none is made. RabbitMQ writes a line into its log for
each that is not there: such a one is asked for ever more rarely, until somebody says that it was used.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from pika import spec

from ringmain.clock import monotonic_s
from ringmain.queues import names
from ringmain.queues.contract import Depth
from ringmain.queues.rabbit.dialogue import Dialogue, Script
from ringmain.queues.rabbit.topology import exists

FIRST_S = 5.0
FIRST_DELAYED_S = 900.0
"""There are thirty steps of delay and a route uses a few: the courier's word tells which."""
LONGEST_S = 3600.0


class Missing:
    """Queues that were not there: when each is worth another look. Pure."""

    def __init__(self) -> None:
        self._pauses: dict[str, tuple[float, float]] = {}

    def missed(self, queue: str, now_s: float) -> None:
        """It was not there."""
        first_s = FIRST_DELAYED_S if names.parse(queue).kind == "delay" else FIRST_S
        _, before_s = self._pauses.get(queue, (0.0, first_s / 2))
        pause_s = min(LONGEST_S, 2 * before_s)
        self._pauses[queue] = (now_s + pause_s, pause_s)

    def expect(self, queues: Iterable[str]) -> None:
        """They are there by now."""
        for queue in queues:
            self._pauses.pop(queue, None)

    def worth(self, queue: str, now_s: float) -> bool:
        """Shall it be asked for?"""
        return now_s >= self._pauses.get(queue, (0.0, 0.0))[0]


class Gauge:
    """One count after another."""

    def __init__(self, dialogue: Dialogue, queues: Sequence[str]) -> None:
        self._dialogue = dialogue
        self._queues = list(queues)
        self._missing = Missing()
        self._counted: dict[str, Depth] | None = None

    def begin(self) -> None:
        """Count, unless a count is under way. Only while the connection is open."""
        if not self._dialogue.busy:
            now_s = monotonic_s()
            self._dialogue.run(self._count([one for one in self._queues if self._missing.worth(one, now_s)]))

    def expect(self, queues: Iterable[str]) -> None:
        """They are there by now."""
        self._missing.expect(queues)

    def counted(self) -> dict[str, Depth] | None:
        """What the last count found, once."""
        counted, self._counted = self._counted, None
        return counted

    def answer(self, method: Any) -> None:
        """The broker's word on this channel."""
        self._dialogue.answer(method)

    def drop(self) -> None:
        """The connection is gone."""
        self._dialogue.drop()

    def _count(self, queues: Sequence[str]) -> Script:
        found: dict[str, Depth] = {}
        for queue in queues:
            answer = yield exists(queue)
            if isinstance(answer, spec.Channel.Close):
                self._missing.missed(queue, monotonic_s())
            else:
                self._missing.expect([queue])
                if answer.message_count:
                    found[queue] = Depth(answer.message_count, None, None)
        self._counted = found
