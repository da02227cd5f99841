"""When a route that fails too much is paused, and when it goes on: pure policy, one Breaker for each route.

The loop enters with the route's counters and does what the verdict says. Most calls failing means that
something behind the handlers is away: to go on would move the whole topic into the retry queues.
"""

import math
from collections import deque
from enum import Enum

from ringmain.config.schema import Flood

SAMPLES = 20
"""How many steps a window slides in."""


class Verdict(Enum):
    """What the loop is to do with the FLOOD gate."""

    NOTHING = "nothing"
    PAUSE = "pause"
    PROBE = "probe"
    RESUME = "resume"


class Breaker:
    """Watches one route's calls and failures, as running totals."""

    def __init__(self, policy: Flood) -> None:
        self.policy = policy
        self.paused = False
        self._samples: deque[tuple[float, int, int]] = deque()
        self._probed_s = 0.0
        self._probe_from: tuple[int, int] | None = None

    def observe(self, now_s: float, calls: int, failed: int) -> Verdict:
        """Take the totals as of now."""
        act = self._while_paused if self.paused else self._while_open
        return act(now_s, calls, failed)

    def try_soon(self) -> None:
        """While paused: the next look is to try a message, whenever the last one was tried."""
        self._probed_s = -math.inf

    def reason(self) -> str:
        """Why it is paused, for people."""
        calls, failed = self._counted()
        return f"{failed} of {calls} calls failed within {self.policy.window_s:g} s"

    def _while_open(self, now_s: float, calls: int, failed: int) -> Verdict:
        self._sample(now_s, calls, failed)
        counted, bad = self._counted()
        if counted < self.policy.messages or bad < self.policy.failed_ratio * counted:
            return Verdict.NOTHING
        self.paused, self._probed_s, self._probe_from = True, now_s, None
        return Verdict.PAUSE

    def _while_paused(self, now_s: float, calls: int, failed: int) -> Verdict:
        if self._probe_from is not None and calls > self._probe_from[0]:
            passed = failed == self._probe_from[1]
            self._probe_from = None
            if passed:
                self.paused = False
                self._samples.clear()
                return Verdict.RESUME
        if now_s - self._probed_s < self.policy.probe_s:
            return Verdict.NOTHING
        self._probed_s = now_s
        self._probe_from = (calls, failed)
        return Verdict.PROBE

    def _sample(self, now_s: float, calls: int, failed: int) -> None:
        samples, step_s = self._samples, self.policy.window_s / SAMPLES
        if len(samples) >= 2 and now_s - samples[-2][0] < step_s:
            samples.pop()
        samples.append((now_s, calls, failed))
        while len(samples) >= 2 and samples[1][0] <= now_s - self.policy.window_s:
            samples.popleft()

    def _counted(self) -> tuple[int, int]:
        if not self._samples:
            return 0, 0
        first, last = self._samples[0], self._samples[-1]
        return last[1] - first[1], last[2] - first[2]
