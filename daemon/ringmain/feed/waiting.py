"""Messages that wait in place: retries of ordered routes, and what said Pause.

A feeder enters. Pure: it only knows which slot is due when; whether the slot is still the same is the ring's
to say, by the token.
"""

import heapq
from typing import NamedTuple


class Waiter(NamedTuple):
    """A slot that waits; `counted` = the wait used up an attempt."""

    due_s: float
    slot: int
    token: int
    counted: bool


class Waiting:
    """Slots by due time (monotonic seconds)."""

    def __init__(self) -> None:
        self._heap: list[Waiter] = []

    def add(self, waiter: Waiter) -> None:
        """One more."""
        heapq.heappush(self._heap, waiter)

    def due(self, now_s: float) -> list[Waiter]:
        """Those whose time has come, earliest first; they wait no longer."""
        found = []
        while self._heap and self._heap[0].due_s <= now_s:
            found.append(heapq.heappop(self._heap))
        return found

    @property
    def next_s(self) -> float | None:
        """When the next one is due; None = nobody waits."""
        return self._heap[0].due_s if self._heap else None

    def __len__(self) -> int:
        return len(self._heap)
