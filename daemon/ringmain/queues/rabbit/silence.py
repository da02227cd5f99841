"""Does a queue have messages that our consumer is not given? Pure.

The taker enters. A broker that forgot a consumer says nothing (declaring.py knows one way to get there), and
a taker that waits for ever looks healthy. So one that holds nothing asks now and then; messages that wait at
two looks in a row, with not one delivered between, mean: begin anew.
"""

from dataclasses import dataclass, field

LOOK_S = 5.0


@dataclass(slots=True)
class Silence:
    """What was seen of the queues while nothing came."""

    next_look_s: float = 0.0
    _waiting: set[str] = field(default_factory=set)

    def is_time(self, now_s: float) -> bool:
        """Shall the queues be looked at? Asked while nothing is held."""
        if now_s < self.next_look_s:
            return False
        self.next_look_s = now_s + LOOK_S
        return True

    def broken(self, now_s: float) -> None:
        """Something came, or is held: all is well."""
        self.next_look_s = now_s + LOOK_S
        self._waiting.clear()

    def seen(self, queue: str, messages: int) -> bool:
        """At this look so many wait. True = they waited at the last one as well: the consumer is dead."""
        if not messages:
            self._waiting.discard(queue)
            return False
        if queue in self._waiting:
            self._waiting.clear()
            return True
        self._waiting.add(queue)
        return False
