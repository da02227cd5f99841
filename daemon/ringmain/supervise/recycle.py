"""Fresh processes for old ones, one after another, under load: a rolling replacement.

An operator's `recycle` and a reload enter. Of a handler the fresh one comes to work FIRST, in a spare seat;
then the old one finishes what it has claimed and leaves: one at a time in each pool, and none is missed. Who
can have no second beside it (a feeder, the courier) leaves and is followed at once: one at a time on the
node. When a fresh one does not come to work the rest stays as it is.
"""

import logging
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from ringmain import control
from ringmain.supervise.commands import Answer
from ringmain.supervise.deaths import ERRANDS
from ringmain.supervise.ending import Ending
from ringmain.supervise.filling import NO_FORK_S, NO_SEAT_S, Filling
from ringmain.supervise.nursery import Nursery
from ringmain.supervise.posts import Child, Place, Roster

ASSIGNED_WITHIN_S = 30.0
"""How long the next feeder waits for the one before to have its partitions again."""
_log = logging.getLogger(__name__)


@dataclass
class _Lane:
    """Those that are replaced one after another."""

    waiting: deque[Child] = field(default_factory=deque)
    old: Child | None = None
    fresh: Child | None = None
    """A handler's follower, while the old one is still at work."""
    due_s: float = 0.0
    """When to try again to have one."""
    owned: bool = False
    """The old one had partitions before it was told to leave."""

    @property
    def idle(self) -> bool:
        return not self.waiting and self.old is None


class Recycle:
    """All replacements under way."""

    def __init__(self, roster: Roster, nursery: Nursery, filling: Filling, ending: Ending) -> None:
        self._roster, self._nursery, self._filling, self._ending = roster, nursery, filling, ending
        self._lanes: dict[str, _Lane] = {}

    @property
    def busy(self) -> bool:
        """Whether anybody is still to be replaced."""
        return any(not lane.idle for lane in self._lanes.values())

    def told(self, request: control.Recycle) -> Answer:
        """An operator's wish."""
        if not self._ending.goes_on:
            return control.Refused("the node is quiet or stopping: it recycles nobody")
        chosen = [child for child in self._nursery.children if _is_meant(child, request)]
        chosen = [child for child in chosen if self._place_of(child) is not None]
        if not chosen:
            subject = request.title or request.pool or "anybody"
            return control.Refused(f"there is no process of {subject} here", unknown=True)
        self.replace(chosen)
        by = {"operator": request.operator, "processes": len(chosen)}
        _log.info("recycle", extra={"title": request.title, "of_route": request.pool, **by})
        return control.Done(f"recycling {_counted(chosen)}, one after another")

    def replace(self, children: Iterable[Child]) -> None:
        """Fresh ones for these; who is waiting already waits once."""
        for child in sorted(children, key=_turn):
            lane = self._lanes.setdefault(_lane_of(child), _Lane())
            if child is not lane.old and child not in lane.waiting:
                lane.waiting.append(child)

    def give_up(self) -> None:
        """Replace nobody more than has begun."""
        for lane in self._lanes.values():
            lane.waiting.clear()

    def step(self, now_s: float) -> float:
        """Go on as far as possible; when to come again at the latest."""
        if not self._ending.goes_on:
            self.give_up()
        due_s = math.inf
        for key in list(self._lanes):
            lane = self._lanes[key]
            due_s = min(due_s, self._go_on(lane, now_s))
            if lane.idle:
                del self._lanes[key]
        return due_s

    def _go_on(self, lane: _Lane, now_s: float) -> float:
        while not lane.idle:
            if lane.old is None and not self._begin(lane, lane.waiting.popleft()):
                continue
            if not self._is_over(lane, now_s):
                return now_s + NO_SEAT_S
            lane.old = lane.fresh = None
        return math.inf

    def _is_over(self, lane: _Lane, now_s: float) -> bool:
        """Whether the present one is replaced, or given up."""
        old = lane.old
        if old is None:
            return True
        if old.post.role != "handle":
            return self._followed(lane, old, now_s)
        if lane.fresh is not None:
            return self._hand_over(lane, old, lane.fresh)
        if self._lives(old) and not old.retiring and now_s >= lane.due_s:
            lane.fresh = self._filling.spare(old.post)
            lane.due_s = 0.0 if lane.fresh else now_s + NO_FORK_S
        return not self._lives(old)

    def _begin(self, lane: _Lane, child: Child) -> bool:
        """Whether there is anything to do about this one: it may be gone, or on its way."""
        if child.retiring or self._place_of(child) is None:
            return False
        lane.old, lane.owned = child, bool(child.partitions)
        if child.post.role != "handle":
            self._ending.restart(child)
        return True

    def _place_of(self, child: Child) -> Place | None:
        place = self._roster.place(child.post)
        return place if place is not None and place.child is child else None

    # -- handlers ------------------------------------------------------------------------------------------
    def _hand_over(self, lane: _Lane, old: Child, fresh: Child) -> bool:
        """The fresh one takes the place when it is at work; over = the old one has left."""
        if not self._lives(fresh):
            self._fail(lane, fresh)
            return True
        if not fresh.booted:
            return False
        self._seat(old, fresh)
        lane.fresh = None
        return not self._lives(old)

    def _seat(self, old: Child, fresh: Child) -> None:
        place = self._roster.place(fresh.post)
        if place is None or place.child not in (None, old):  # scaled down, or died and was followed
            self._ending.retire(fresh)
            return
        place.child = fresh
        if self._lives(old):
            self._ending.retire(old)

    # -- who can have no second ----------------------------------------------------------------------------
    def _followed(self, lane: _Lane, old: Child, now_s: float) -> bool:
        """Over = another one is at work in its place, with partitions if it had any."""
        place = self._roster.place(old.post)
        if place is None:
            return not self._lives(old)
        if place.child is old:
            return False
        if place.child is None:
            if place.history.streak:
                self._fail(lane, old)
                return True
            return False
        late = now_s - place.child.born_s > ASSIGNED_WITHIN_S
        return place.child.booted and (late or not lane.owned or bool(place.child.partitions))

    # -- helpers -------------------------------------------------------------------------------------------
    def _lives(self, child: Child) -> bool:
        return any(one is child for one in self._nursery.children)

    def _fail(self, lane: _Lane, child: Child) -> None:
        said = {"child": child.title, "left": len(lane.waiting) + 1}
        _log.error("replacing given up: a fresh process does not come to work", extra=said)
        lane.waiting.clear()


def _lane_of(child: Child) -> str:
    return child.post.pool if child.post.role == "handle" else ""


def _turn(child: Child) -> tuple[bool, str, int]:
    return child.post.role != "handle", child.post.pool, child.post.number


def _is_meant(child: Child, request: control.Recycle) -> bool:
    if child.post.role in ERRANDS or child.retiring:
        return False
    if request.title:
        return child.title == request.title
    return request.pool in ("", child.post.pool)


def _counted(children: list[Child]) -> str:
    return children[0].title if len(children) == 1 else f"{len(children)} processes"
