"""Fills empty places: a seat, a fork, and what every newborn is told.

The loop enters at each turn, and whoever sends an errand. Who is wanted is the roster's, who may still follow
ending.py's. Nothing here waits: what cannot be now has a time at which it is tried again.
"""

import logging
import math
from collections.abc import Callable

from ringmain import clock, rings
from ringmain.supervise.deaths import ERRANDS
from ringmain.supervise.ending import Ending
from ringmain.supervise.memory import Memory
from ringmain.supervise.nag import Nag
from ringmain.supervise.nursery import Nursery
from ringmain.supervise.posts import Child, Incarnations, Place, Post, Roster

NO_SEAT_S = 0.05
NO_FORK_S = 1.0
_log = logging.getLogger(__name__)


class Filling:
    """Brings children to their places."""

    def __init__(self, memory: Memory, nursery: Nursery, roster: Roster, ending: Ending) -> None:
        self._memory, self._nursery, self._roster, self._ending = memory, nursery, roster, ending
        self._incarnations = Incarnations()
        self._nag = Nag()
        self.greetings: list[Callable[[Child], None]] = []
        """Each is called with every child that has just been born into a place: to tell it what all know."""

    def next_s(self) -> float:
        """When the next place is due."""
        due_s = [place.due_s for place in self._roster.empty() if self._ending.may_follow(place.post)]
        return min(due_s, default=math.inf)

    def fill(self, now_s: float) -> None:
        """Whoever is due is born."""
        for place in self._roster.empty():
            if place.due_s <= now_s and self._ending.may_follow(place.post):
                self._seat(place, now_s)

    def _seat(self, place: Place, now_s: float) -> None:
        post = place.post
        index, incarnation = self._take_seat(post)
        if index < 0:
            place.due_s = now_s + NO_SEAT_S
            if self._nag.due(f"seat {post.pool}", "", now_s):
                _log.warning("no free seat: waiting for feeders to clear one", extra={"of_route": post.pool})
            return
        place.child = self._sit(post, index, incarnation)
        if place.child is None:
            place.due_s = now_s + NO_FORK_S

    def spare(self, post: Post) -> Child | None:
        """A second handler for a post that is filled, to take over from the first; None = no room now."""
        index, incarnation = self._take_seat(post)
        return self._sit(post, index, incarnation) if index >= 0 else None

    def _sit(self, post: Post, index: int, incarnation: int) -> Child | None:
        child = self._bear(post, index, incarnation)
        if child is None:
            if post.role == "handle":
                self._memory.overseers[post.pool].bury(index, rings.RECYCLE)
            return None
        for greet in self.greetings:
            greet(child)
        return child

    def _take_seat(self, post: Post) -> tuple[int, int]:
        if post.role != "handle":
            index = post.number
            if self._nursery.children.in_seat(post.role, post.pool, index) is not None:
                return -1, 0  # one that retires still sits there
            return index, self._incarnations.next(post.role, post.pool, index)
        overseer = self._memory.overseers[post.pool]
        index = overseer.free_seat()
        return index, overseer.admit(index) if index >= 0 else 0

    def errand(self, post: Post, limit_s: float) -> Child | None:
        """Send somebody who does one thing and ends; None = the system has no room."""
        child = self._bear(post, 0, 1)
        if child is not None:
            child.deadline_s = clock.monotonic_s() + limit_s
        return child

    def _bear(self, post: Post, index: int, incarnation: int) -> Child | None:
        try:
            child = self._nursery.bear(post, index, incarnation)
        except OSError as error:
            if self._nag.due("fork", str(error), clock.monotonic_s()):
                _log.error("cannot start a process", extra={"post": post.role, "reason": str(error)})
            return None
        level = logging.DEBUG if post.role in ERRANDS else logging.INFO
        _log.log(level, "child started", extra={"child": child.title, "child_pid": child.pid})
        return child
