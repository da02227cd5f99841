"""What is seen of places and processes: who is there, since when, how large, how it is.

The lookout enters at each look. A child's own word (its last Status) is shown beside what can be seen from
outside: its beat, its state in the kernel, its call.
"""

import contextlib
import math
import os
from pathlib import Path

from ringmain.control import Process
from ringmain.seat import NOUNS, title
from ringmain.supervise.deaths import ERRANDS
from ringmain.supervise.posts import Child, Place, Post
from ringmain.supervise.samples import Samples
from ringmain.supervise.sights import Sights
from ringmain.supervise.wellness import PlaceFacts

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_STATE, _RSS = 0, 21
"""Of /proc/PID/stat, counted behind the name in brackets."""


class Places:
    """One look at everybody."""

    def __init__(self, sights: Sights, samples: Samples, now_s: float) -> None:
        self._sights, self._samples, self._now_s = sights, samples, now_s

    def glance(self) -> None:
        """Only what has to be seen again and again to know how long it lasts."""
        for place in self._sights.roster:
            self._down_s(place)
            if place.child is not None and place.post.source == "kafka":
                self._spare_s(place.child)

    # -- health ------------------------------------------------------------------------------------------
    def facts(self) -> list[PlaceFacts]:
        """Of every post."""
        return [self._fact(place) for place in self._sights.roster]

    def _fact(self, place: Place) -> PlaceFacts:
        post, child = place.post, place.child
        return PlaceFacts(
            title=child.title if child else _title_of_empty(post),
            role=post.role,
            pool=post.pool,
            source=post.source,
            booted=child is not None and child.booted,
            age_s=self._now_s - child.born_s if child else 0.0,
            down_s=self._down_s(place),
            looping=place.looping and place.history.loops(self._now_s),
            hopeless=place.hopeless,
            last=place.last,
            state=child.state if child else "",
            detail=child.detail if child else "",
            silent_s=self._silent_s(child) if child else 0.0,
            spare_s=self._spare_s(child) if child and post.source == "kafka" else 0.0,
        )

    def _down_s(self, place: Place) -> float:
        booted = place.child is not None and place.child.booted
        down_s = self._samples.unchanged_s(("down", place.post), self._now_s, booted)
        return down_s if not booted and place.restarts else 0.0

    def _spare_s(self, child: Child) -> float:
        owns = bool(child.partitions)
        spare_s = self._samples.unchanged_s(("spare", child.pid), self._now_s, owns)
        return 0.0 if owns else spare_s

    def _silent_s(self, child: Child) -> float:
        return self._sights.memory.board.age_s(child.row)

    # -- processes ---------------------------------------------------------------------------------------
    def processes(self) -> list[Process]:
        """Every place, and whoever is still there without one."""
        places = {place.child.pid: place for place in self._sights.roster if place.child}
        empty = [_empty(place, self._now_s) for place in self._sights.roster if place.child is None]
        there = [self._process(child, places.get(child.pid)) for child in self._sights.nursery.children]
        return sorted([*there, *empty], key=lambda one: (one.role, one.pool, one.source, one.index))

    def _process(self, child: Child, place: Place | None) -> Process:
        rss_bytes, stopped = vitals(child.pid)
        executing, calls = self._work(child)
        return Process(
            title=child.title,
            role=NOUNS.get(child.post.role, child.post.role),
            pid=child.pid,
            pool=child.post.pool,
            source=child.post.source,
            index=child.index,
            state=self._state(child, place, stopped),
            detail=self._detail(child, place),
            age_s=round(self._now_s - child.born_s, 3),
            beat_s=round(self._silent_s(child), 3),
            restarts=place.restarts if place else 0,
            rss_bytes=rss_bytes,
            executing=executing,
            calls=calls,
            partitions=[f"{topic}/{partition}" for topic, partition in sorted(child.partitions)],
        )

    def _work(self, child: Child) -> tuple[int, int]:
        if child.post.role != "handle":
            return 0, 0
        overseer = self._sights.memory.overseers[child.post.pool]
        return overseer.handler(child.index)[3], int(overseer.handler_counters(child.index)["calls"])

    def _state(self, child: Child, place: Place | None, stopped: bool) -> str:
        if child.ending is not None:
            return "ending"
        if child.retiring:
            return "retiring"
        if place is not None and place.looping and place.history.loops(self._now_s):
            return "crash loop"
        if not child.booted and child.post.role not in ERRANDS:
            return "starting"
        return "suspended" if stopped else child.state or "ok"

    def _detail(self, child: Child, place: Place | None) -> str:
        if child.ending is not None:
            return child.ending.detail
        return child.detail or (f"the one before it {place.last}" if place and place.last else "")


def _empty(place: Place, now_s: float) -> Process:
    post = place.post
    loops = place.looping and place.history.loops(now_s)
    again_s = place.due_s - now_s
    again = f"the next one in {again_s:.1f} s" if 0 < again_s < math.inf else "the next one at once"
    return Process(
        title=_title_of_empty(post),
        role=NOUNS.get(post.role, post.role),
        pool=post.pool,
        source=post.source,
        index=post.number,
        state="crash loop" if loops else "waiting",
        detail=f"{place.last}; {again}" if place.last else again,
        restarts=place.restarts,
    )


def _title_of_empty(post: Post) -> str:
    """A handler has its number from the seat that it gets."""
    if post.role == "handle":
        return f"{NOUNS[post.role]} {post.pool}/-"
    return title(post.role, post.pool, post.number)


def vitals(pid: int) -> tuple[int, bool]:
    """Resident bytes of a process, and whether it is suspended; (0, False) when it is gone."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return int(fields[_RSS]) * _PAGE_BYTES, fields[_STATE] in (b"T", b"t")
    return 0, False
