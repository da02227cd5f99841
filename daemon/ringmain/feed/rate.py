"""How fast something goes, from a count that only grows. Pure: counts and times in, a rate out."""

from collections import deque

_SAMPLES = 8
_LEAST_S = 0.25


class Rate:
    """Per second, over about the last `over_s`; the first moments count as a quarter of a second."""

    def __init__(self, over_s: float) -> None:
        self._over_s = over_s
        self._samples: deque[tuple[float, int]] = deque()

    def note(self, total: int, now_s: float) -> float:
        """The count is `total` now; the rate since the oldest sample."""
        samples = self._samples
        if not samples or now_s - samples[-1][0] >= self._over_s / _SAMPLES:
            samples.append((now_s, total))
        while len(samples) > 1 and now_s - samples[1][0] >= self._over_s:
            samples.popleft()
        since_s, before = samples[0]
        return (total - before) / max(now_s - since_s, _LEAST_S)
