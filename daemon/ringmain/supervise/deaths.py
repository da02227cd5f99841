"""What a death means: its cause, what the ring is told, when the next one follows, what is said.

The loop enters with each child that was reaped. Nothing is forked or killed here.
"""

import logging
from collections import Counter

from ringmain import rings
from ringmain.supervise.gates import Gates
from ringmain.supervise.memory import Memory
from ringmain.supervise.posts import Child, Place, Roster
from ringmain.supervise.respawn import CALM, Cause, cause_of, detail_of

_RING_CAUSE = {
    Cause.TIMEOUT: rings.TIMEOUT,
    Cause.RSS: rings.RSS,
    Cause.STUCK: rings.STUCK,
    Cause.REVOKED: rings.REVOKED,
    Cause.UNSURE: rings.REVOKED,
    Cause.DEADLINE: rings.REVOKED,
    Cause.STOPPED: rings.REVOKED,
    Cause.ENDED: rings.RECYCLE,
    Cause.RECYCLED: rings.RECYCLE,
}
_HOPELESS = frozenset({Cause.CANNOT_BOOT, Cause.FATAL})
ERRANDS = frozenset({"probe", "scout", "visitor", "clerk"})
"""Short-lived: sent out now and then, never followed by another at once."""
_log = logging.getLogger(__name__)


class Deaths:
    """Judges each death once."""

    def __init__(self, memory: Memory, gates: Gates, roster: Roster) -> None:
        self._memory, self._gates, self._roster = memory, gates, roster
        self.counts: Counter[tuple[str, str, Cause]] = Counter()
        """Processes lost since the start: (role, pool, cause) -> how many."""

    def note(self, child: Child, code: int, now_s: float, chance: float) -> Place | None:
        """Take note of a child that ended with `code`; the place it leaves, if somebody is to follow."""
        cause = self._cause(child, code)
        detail = child.ending.detail if child.ending else child.last_words or detail_of(code)
        place = self._roster.place(child.post)
        if place is not None and place.child is not child:
            place = None
        if child.post.role == "handle":
            self._bury_handler(child, cause, detail)
        elif child.post.role == "feed":
            self._bury_feeder(child, place)
        delay_s = self._delay_s(place, child, cause, now_s, chance)
        self._say(child, cause, detail, (now_s - child.born_s, delay_s))
        if place is not None:
            self._remember(place, child, cause, detail)
            self._mark_loop(place, now_s)
        return place

    def _remember(self, place: Place, child: Child, cause: Cause, detail: str) -> None:
        place.restarts += 1
        self.counts[child.post.role, child.post.pool, cause] += 1
        place.hopeless = cause in _HOPELESS
        place.last = "" if cause in CALM else f"{cause.value}: {detail}"

    def _cause(self, child: Child, code: int) -> Cause:
        if child.ending is not None:
            return child.ending.cause
        cause = cause_of(code)
        if child.post.role in ERRANDS:
            return cause
        unasked = cause is Cause.ENDED and not child.retiring
        # A handler may leave by os._exit() in the middle of a call, with any code.
        return Cause.CRASHED if unasked or (cause in CALM and self._executing(child)) else cause

    def _executing(self, child: Child) -> bool:
        if child.post.role != "handle":
            return False
        _, _, _, executing, _ = self._memory.overseers[child.post.pool].handler(child.index)
        return executing > 0

    def _bury_handler(self, child: Child, cause: Cause, detail: str) -> None:
        if cause not in (*CALM, Cause.TIMEOUT, Cause.UNSURE) and self._executing(child):
            self._gates.blame(child.post.pool)
        overseer = self._memory.overseers[child.post.pool]
        overseer.bury(child.index, _RING_CAUSE.get(cause, rings.CRASH), detail.encode())

    def _bury_feeder(self, child: Child, place: Place | None) -> None:
        overseer = self._memory.overseers[child.post.pool]
        if place is None:
            overseer.free_feeder(child.index)  # LOSS: none: what it left unsettled is uncommitted
        else:
            overseer.bury_feeder(child.index)

    def _delay_s(
        self, place: Place | None, child: Child, cause: Cause, now_s: float, chance: float
    ) -> float | None:
        if place is None:
            return None
        place.child = None
        booted = child.booted and cause is not Cause.CANNOT_BOOT
        place.history.died(cause, booted, now_s - child.born_s, now_s)
        delay_s = place.history.delay_s(booted, chance)
        place.due_s = now_s + delay_s
        return delay_s

    def _say(self, child: Child, cause: Cause, detail: str, times_s: tuple[float, float | None]) -> None:
        calm = cause in CALM or child.retiring
        if calm and child.post.role in ERRANDS:
            return
        lived_s, delay_s = times_s
        said: dict[str, object] = {"child": child.title, "child_pid": child.pid, "cause": cause.value}
        said |= {"detail": detail, "lived_s": round(lived_s, 3)}
        if delay_s is not None:
            said["next_in_s"] = round(delay_s, 3)
        _log.log(logging.INFO if calm else logging.ERROR, "child ended", extra=said)

    def _mark_loop(self, place: Place, now_s: float) -> None:
        loops = place.history.loops(now_s)
        if loops and not place.looping:
            post = place.post
            _log.error("crash loop", extra={"post": f"{post.role} {post.pool} {post.number}".strip()})
        place.looping = loops
