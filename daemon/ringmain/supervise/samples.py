"""What only a second look shows: rates of running totals, and for how long something has been so.

The lookout enters at each of its looks with what it sees; the picture asks. Pure: times come from the caller.
"""

from collections import deque
from collections.abc import Hashable

WINDOW_S = 5.0
STEP_S = 0.5
Totals = tuple[float, ...]


class Samples:
    """Everything is told apart by a key of the caller's; what was not seen at the last look is forgotten."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._totals: dict[Hashable, deque[tuple[float, Totals]]] = {}
        self._marks: dict[Hashable, tuple[Hashable, float]] = {}
        self._seen: set[Hashable] = set()

    # -- totals ------------------------------------------------------------------------------------------
    def count(self, key: Hashable, now_s: float, totals: Totals) -> None:
        """Running totals as of now. Less than before means that it is another count: it begins again."""
        self._seen.add(key)
        samples = self._totals.setdefault(key, deque())
        if samples and any(now < then for now, then in zip(totals, samples[-1][1], strict=True)):
            samples.clear()
        if len(samples) >= 2 and now_s - samples[-2][0] < STEP_S:
            samples.pop()
        samples.append((now_s, totals))
        while len(samples) >= 2 and samples[1][0] <= now_s - self._window_s:
            samples.popleft()

    def grown(self, key: Hashable) -> tuple[float, Totals]:
        """By how much the totals have grown over how many seconds, about the window; 0 s = not known."""
        samples = self._totals.get(key)
        if not samples or len(samples) < 2:
            return 0.0, ()
        (first_s, first), (last_s, last) = samples[0], samples[-1]
        return last_s - first_s, tuple(now - then for now, then in zip(last, first, strict=True))

    def rates(self, key: Hashable) -> Totals:
        """The same per second; empty = not known."""
        seconds, grown = self.grown(key)
        return tuple(one / seconds for one in grown) if seconds > 0 else ()

    # -- lasting -----------------------------------------------------------------------------------------
    def unchanged_s(self, key: Hashable, now_s: float, mark: Hashable) -> float:
        """For how long, up to now, it has been seen with this same mark."""
        self._seen.add(key)
        before, since_s = self._marks.get(key, (mark, now_s))
        if before != mark:
            since_s = now_s
        self._marks[key] = (mark, since_s)
        return now_s - since_s

    def ever(self, key: Hashable, condition: bool) -> bool:
        """Whether it has been so at this look or at any before."""
        self._seen.add(key)
        so = condition or self._marks.get(key, (False, 0.0))[0] is True
        self._marks[key] = (so, 0.0)
        return so

    # -- memory ------------------------------------------------------------------------------------------
    def forget(self) -> None:
        """Whatever was not told of since the last `forget` is gone."""
        self._totals = {key: one for key, one in self._totals.items() if key in self._seen}
        self._marks = {key: one for key, one in self._marks.items() if key in self._seen}
        self._seen = set()
