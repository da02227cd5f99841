"""Goes round the children and ends those that are overdue; only that one child, never its neighbours.

The loop enters at every tick and, while somebody is being ended, in between. Who is overdue is decided in
watch.py; here it is looked at and acted on. Nothing here waits: a stack that was asked for is read later.
"""

import contextlib
import logging
import math
import os
from pathlib import Path

from ringmain import clock
from ringmain.config.pools import pool_of
from ringmain.rings import Overseer
from ringmain.supervise.memory import Memory
from ringmain.supervise.nursery import Nursery
from ringmain.supervise.posts import Child
from ringmain.supervise.respawn import Cause
from ringmain.supervise.watch import BEAT_S, Limits, Overdue, Sight, limits_of_handler, look_again_s, overdue

STACK_PAUSE_S = 0.05
STACK_LONGEST_S = 0.5
ABSENT_S = 5.0
_NO_STACK = frozenset({Cause.RSS, Cause.REVOKED})
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_log = logging.getLogger(__name__)


class Patrol:
    """Sees overdue children and brings them to their end."""

    def __init__(self, memory: Memory, nursery: Nursery) -> None:
        self._memory = memory
        self._nursery = nursery
        self._last_round_s = clock.monotonic_s()
        self._stacks: dict[int, str] = {}
        self._calls: dict[int, int] = {}
        self._limits: dict[int, Limits] = {}

    def go_round(self, now_s: float) -> float:
        """Look at every child once; returns in how many seconds the next call can be overdue."""
        absent_s, self._last_round_s = now_s - self._last_round_s, now_s
        if absent_s > ABSENT_S:  # we were stopped ourselves, and so may they have been: let them beat first
            return ABSENT_S / 2
        going = [child for child in self._nursery.children if child.ending is None]
        return min((self._look(child, now_s) for child in going), default=math.inf)

    def _look(self, child: Child, now_s: float) -> float:
        sight, limits = self._sight(child, now_s), self.limits(child)
        reason = overdue(sight, limits)
        if reason is None:
            return look_again_s(sight, limits)
        self._calls[child.pid] = sight.busy_since_ns
        self.end(child, reason, now_s)
        return math.inf

    def end(self, child: Child, reason: Overdue, now_s: float) -> None:
        """Ask for its stacks, then kill it; `finish` does the second half."""
        if child.ending is not None:
            return
        child.ending, child.asked_s = reason, now_s
        said = {"child": child.title, "child_pid": child.pid, "cause": reason.cause.value}
        _log.warning("ending child", extra={**said, "detail": reason.detail})
        if reason.cause in _NO_STACK:
            self._nursery.kill(child)
            child.asked_s = -math.inf
        else:
            self._stacks[child.pid] = ""
            self._nursery.ask_for_stacks(child)

    def finish(self, now_s: float) -> None:
        """Kill those whose stacks have come or are not to be had, and those past their deadline."""
        for child in self._nursery.children:
            if child.pid in self._stacks:
                self._collect(child, now_s)
            elif child.ending is None and now_s >= child.deadline_s:
                said = {"child": child.title, "child_pid": child.pid}
                _log.warning("deadline passed: killing child", extra=said)
                child.ending = Overdue(Cause.DEADLINE, "still at work at the deadline")
                self._nursery.kill(child)

    def _collect(self, child: Child, now_s: float) -> None:
        more = self._nursery.stacks(child)
        stack = self._stacks[child.pid] = self._stacks[child.pid] + more
        waited_s = now_s - child.asked_s
        if waited_s < STACK_PAUSE_S or ((more or not stack) and waited_s < STACK_LONGEST_S):
            return
        del self._stacks[child.pid]
        said = {"child": child.title, "child_pid": child.pid}
        _log.warning("stacks", extra={**said, "stacks": stack})
        if self._call_is_over(child):
            child.ending = None
            _log.info("the call ended after all: child goes on", extra=said)
        else:
            self._nursery.kill(child)

    def _call_is_over(self, child: Child) -> bool:
        """Whether the call that was too long has ended meanwhile: the next one must not pay for it."""
        late = child.ending is not None and child.ending.cause is Cause.TIMEOUT
        return late and self._busy_since_ns(child) != self._calls.get(child.pid)

    def next_s(self) -> float:
        """When `finish` has something to do."""
        going = [child.deadline_s for child in self._nursery.children if child.ending is None]
        due_s = min(going, default=math.inf)
        return min(due_s, clock.monotonic_s() + STACK_PAUSE_S) if self._stacks else due_s

    def forget(self, child: Child) -> None:
        """It has ended."""
        self._limits.pop(child.pid, None)
        self._stacks.pop(child.pid, None)
        self._calls.pop(child.pid, None)

    def limits(self, child: Child) -> Limits:
        """What the child's pool and role allow, by the config that it was born with."""
        if child.pid not in self._limits:
            self._limits[child.pid] = _find_limits(child)
        return self._limits[child.pid]

    def _sight(self, child: Child, now_s: float) -> Sight:
        silent_s = self._memory.board.age_s(child.row)
        if child.post.role == "handle":
            return self._sight_of_handler(child, silent_s)
        standing_s = self._standing_s(child, now_s) if child.post.role == "feed" else 0.0
        return Sight(child.booted, silent_s, standing_s=standing_s)

    def _sight_of_handler(self, child: Child, silent_s: float) -> Sight:
        since_ns = self._busy_since_ns(child)
        busy_s = (clock.monotonic_ns() - since_ns) / 1e9 if since_ns else 0.0
        limited = self.limits(child).max_rss_bytes is not None
        size_bytes = rss_bytes(child.pid) if limited else 0
        return Sight(child.booted, silent_s, busy_s, size_bytes, busy_since_ns=since_ns)

    def _busy_since_ns(self, child: Child) -> int:
        """When its present call began; 0 = it is in none, or it watches its calls itself."""
        if child.asynchronous:
            return 0
        return self._memory.overseers[child.post.pool].handler(child.index)[4]

    def _standing_s(self, child: Child, now_s: float) -> float:
        """Only what an idle handler could have taken counts: else it is not the feeder who stands still."""
        overseer = self._memory.overseers[child.post.pool]
        counters = overseer.feeder_counters(child.index)
        waiting = counters["unclaimed"]
        if waiting and (self._is_paused(overseer) or not self._idle_handler(child.post.pool)):
            waiting = 0
        return child.progress.standing_s(now_s, waiting, counters["settled"])

    def _is_paused(self, overseer: Overseer) -> bool:
        return overseer.gate != 0 or overseer.paused_until_ns > clock.monotonic_ns()

    def _idle_handler(self, pool: str) -> bool:
        overseer = self._memory.overseers[pool]
        handlers = [child for child in self._nursery.children.of("handle", pool) if child.booted]
        return any(_is_idle(overseer, child) for child in handlers)


def _is_idle(overseer: Overseer, child: Child) -> bool:
    """In no call; a sync one that waits for the delivery of what its calls sent is not idle either."""
    _, _, _, executing, busy_since_ns = overseer.handler(child.index)
    return busy_since_ns == 0 and (child.asynchronous or executing == 0)


def _find_limits(child: Child) -> Limits:
    if not child.post.pool:
        return Limits(math.inf, BEAT_S)
    settings = pool_of(child.config, child.post.pool).settings
    if child.post.role == "handle":
        return limits_of_handler(settings.timeout_s, settings.max_rss_bytes)
    return Limits(settings.timeout_s, BEAT_S)


def rss_bytes(pid: int) -> int:
    """Resident size of a process; 0 when it is gone."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    return 0
