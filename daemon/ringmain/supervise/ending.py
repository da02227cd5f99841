"""How work ends on this node: one child retires, all become quiet, all stop.

The loop enters with signals, the desk's commands with an operator's wish. The order of a stop is decided in
stopping.py and carried out here. Nothing here waits.
"""

import logging
import math
from collections.abc import Callable

from ringmain import clock, rings
from ringmain.lifecycle import Quiet, Retire, Settle, Settled, Stop
from ringmain.supervise.deaths import ERRANDS
from ringmain.supervise.gates import Gates
from ringmain.supervise.memory import Memory
from ringmain.supervise.nursery import Nursery
from ringmain.supervise.patrol import Patrol
from ringmain.supervise.posts import Child, Post
from ringmain.supervise.respawn import Cause
from ringmain.supervise.stopping import SETTLE, Phase, Stopping
from ringmain.supervise.watch import Overdue

RETIRE_GRACE_S = 5.0
_log = logging.getLogger(__name__)


class Ending:
    """What has been told to end, and how far it is."""

    def __init__(self, memory: Memory, nursery: Nursery, gates: Gates, patrol: Patrol) -> None:
        self._memory, self._nursery, self._gates, self._patrol = memory, nursery, gates, patrol
        self._stopping: Stopping | None = None
        self.is_quiet = False
        self.partings: list[Callable[[], None]] = []
        """Each is called when a stop begins."""

    @property
    def is_stopping(self) -> bool:
        """Whether a stop has begun."""
        return self._stopping is not None

    @property
    def goes_on(self) -> bool:
        """Whether new work is taken: neither quiet nor stopping."""
        return not self.is_quiet and self._stopping is None

    # -- one child ---------------------------------------------------------------------------------------
    def retire(self, child: Child) -> None:
        """Let it finish what it has begun and leave; killed when that takes too long."""
        self._end(child, Stop if child.post.role == "handle" else Retire)

    def restart(self, child: Child) -> None:
        """The same, but whoever follows in its place takes over at once all that was its own."""
        self._end(child, Retire if child.post.role == "courier" else Stop)

    def _end(self, child: Child, order: type[Stop | Retire]) -> None:
        now_s = clock.monotonic_s()
        waits_for_calls = child.post.role == "handle" or child.post.source == "queue"
        limit_s = self._patrol.limits(child).timeout_s if waits_for_calls else 0.0
        told_s = now_s + max(self._memory.config.revoke_s, limit_s)
        child.retiring, child.deadline_s = True, told_s + RETIRE_GRACE_S
        self._nursery.tell(child, order(told_s))

    # -- all ---------------------------------------------------------------------------------------------
    def be_quiet(self) -> None:
        """Nothing new is taken."""
        if self.is_quiet:
            return
        self.is_quiet = True
        _log.info("quiet: nothing new is taken; only a stop follows")
        self._gates.close(rings.GATE_QUIET)
        for child in self._nursery.children.of("feed"):
            self._nursery.tell(child, Quiet())

    def greet(self, child: Child) -> None:
        """One born while all are quiet is told so."""
        if self.is_quiet and child.post.role == "feed":
            self._nursery.tell(child, Quiet())

    def stop(self) -> None:
        """Stop gracefully; told a second time, at once."""
        if self._stopping is not None:
            self.stop_now("a second signal came")
            return
        stop_s = self._memory.config.stop_s
        _log.info("stopping", extra={"within_s": stop_s})
        self._stopping = Stopping(clock.monotonic_s(), stop_s)
        for part in self.partings:
            part()
        for child in self._nursery.children:
            if child.post.role == "visitor":
                self._end(child, Stop)  # killed, it would keep its share of the group's partitions for long
            elif child.post.role in ERRANDS or (child.post.role == "handle" and not child.booted):
                self._kill(child, "killed by the stop: it had nothing to finish")

    def stop_now(self, why: str) -> None:
        """Kill all."""
        if self._stopping is None:
            self.stop()
        if self._stopping is not None:
            self._stopping.now()
        children = self._nursery.children
        _log.warning("stopping now", extra={"why": why, "children": len(children)})
        for child in children:
            self._kill(child, f"killed by the stop: {why}")

    def _kill(self, child: Child, detail: str) -> None:
        child.retiring, child.ending = True, child.ending or Overdue(Cause.STOPPED, detail)
        self._nursery.kill(child)

    def may_follow(self, post: Post) -> bool:
        """Whether somebody may still be born for the post."""
        return self._stopping is None or self._stopping.may_follow(post.role)

    def go_on(self, now_s: float) -> None:
        """The next part of a stop, when the one before is over."""
        if self._stopping is None:
            return
        busy = self._busy()
        while (phase := self._next_phase(self._stopping, busy, now_s)) is not None:
            if phase.role == "handle":
                self._gates.close(rings.GATE_STOP)
            for child in self._nursery.children.of(phase.role):
                child.retiring, child.deadline_s = True, phase.killed_s
                self._nursery.tell(child, (Settle if phase.name == SETTLE else Stop)(phase.told_s))

    def _next_phase(self, stopping: Stopping, busy: set[str], now_s: float) -> Phase | None:
        before, entered_s = stopping.current, stopping.entered_s
        phase = stopping.advance(busy, now_s)
        if before is not None and stopping.current is not before:
            seconds = round(now_s - entered_s, 3)
            _log.info("stop phase done", extra={"phase": before.name, "seconds": seconds})
        return phase

    def take_settled(self, child: Child, _: Settled) -> None:
        """A feeder has committed its last and waits to be told to leave."""
        child.settled, child.deadline_s = True, math.inf  # who waits for others is not late

    def over(self) -> bool:
        """Whether a stop is done."""
        return self._stopping is not None and self._stopping.over(self._busy())

    def close(self) -> None:
        """Say how long it took."""
        if self._stopping is not None:
            took_s = clock.monotonic_s() - self._stopping.began_s
            _log.info("stopped", extra={"seconds": round(took_s, 3)})

    def _busy(self) -> set[str]:
        """The phases that somebody is still busy with."""
        children = self._nursery.children
        settling = {SETTLE for child in children.of("feed") if not child.settled}
        return settling | {child.post.role for child in children}
