"""The supervisor's loop: wait, obey, listen, reap, relieve, staff, fill, beat.

`run` enters. It starts no thread, holds no client and touches no message; nothing in it blocks but the wait.
"""

import logging
import math
import signal
from random import random

from ringmain import clock, rings
from ringmain.config.schema import Config
from ringmain.lifecycle import (
    Assigned,
    Booted,
    KillHandler,
    Probed,
    Quiet,
    Report,
    Retire,
    Scouted,
    Status,
    Stop,
)
from ringmain.supervise import lineup
from ringmain.supervise.deaths import ERRANDS, Deaths
from ringmain.supervise.gates import Gates
from ringmain.supervise.memory import Memory
from ringmain.supervise.nag import Nag
from ringmain.supervise.nursery import OWN_ROW, Nursery
from ringmain.supervise.observer import Observer
from ringmain.supervise.patrol import Patrol
from ringmain.supervise.posts import Child, Incarnations, Place, Post, Roster
from ringmain.supervise.reload import Reload
from ringmain.supervise.respawn import Cause
from ringmain.supervise.signals import Signals
from ringmain.supervise.staff import Staff
from ringmain.supervise.stopping import Phase, Stopping
from ringmain.supervise.watch import Overdue

SCOUT_S = 30.0
CLERK_S = 900.0
EXPIRE_EVERY_S = 600.0
PROBE_S = 300.0
NO_SEAT_S = 0.05
NO_FORK_S = 1.0
RETIRE_GRACE_S = 5.0
LONGEST_TICK_S, SHORTEST_TICK_S = 2.0, 0.01
RSS_TICK_S = 0.5
ROUNDING_S = 0.001
_log = logging.getLogger(__name__)


class Supervisor:
    """One node's processes."""

    def __init__(
        self, config: Config, memory: Memory, nursery: Nursery, signals: Signals, observer: Observer
    ) -> None:
        self._config, self._memory, self._nursery, self._signals = config, memory, nursery, signals
        self._observer = observer
        self._children = nursery.children
        self._roster = Roster()
        self._incarnations = Incarnations()
        self._gates = Gates(config, memory.overseers)
        self._patrol = Patrol(memory, nursery)
        self._deaths = Deaths(memory, self._gates, self._roster)
        self._staff = Staff(config, memory, self._roster)
        self._reload = Reload(self._roster, nursery.unhandled, self._retire)
        self._nag = Nag()
        self._stopping: Stopping | None = None
        self._quiet = False
        self._expire_due_s = math.inf if config.dead.keep_s is None else 0.0
        self._tick_s = min(tick_s(config), observer.every_s)
        self._round_due_s = 0.0
        nursery.heed(signals.fileno())

    def run(self) -> int:
        """Until a stop is done."""
        self._open()
        while not self._over():
            self._wait()
            self._obey()
            self._listen()
            self._reap()
            self._relieve()
            self._staff_routes()
            self._fill()
            self._beat()
        self._close()
        return 0

    # -- start and end -----------------------------------------------------------------------------------
    def _open(self) -> None:
        # Feeders first: joining the group takes longest.
        self._staff.begin()
        for post in lineup.posts(self._config, self._nursery.unhandled, self._memory.queue_seats()):
            self._roster.want(post)

    def _over(self) -> bool:
        alive = {child.post.role for child in self._children}
        return self._stopping is not None and self._stopping.over(alive)

    def _close(self) -> None:
        self._observer.look(self._memory.overseers)
        if self._stopping is not None:
            took_s = clock.monotonic_s() - self._stopping.began_s
            _log.info("stopped", extra={"seconds": round(took_s, 3)})

    # -- wait --------------------------------------------------------------------------------------------
    def _wait(self) -> None:
        due_s = min(self._round_due_s, self._patrol.next_s(), self._fill_due_s())
        self._nursery.wait(due_s - clock.monotonic_s())

    def _fill_due_s(self) -> float:
        due_s = [place.due_s for place in self._roster.empty() if self._may_fill(place)]
        return min(due_s, default=math.inf)

    # -- obey --------------------------------------------------------------------------------------------
    def _obey(self) -> None:
        for number in self._signals.take():
            if number in (signal.SIGTERM, signal.SIGINT):
                self._stop()
            elif number == signal.SIGUSR1:
                self._be_quiet()
            elif number == signal.SIGHUP:
                self._begin_reload()

    def _stop(self) -> None:
        if self._stopping is not None:
            _log.warning("second signal: stopping now", extra={"children": len(self._children)})
            self._stopping.now()
            for child in self._children:
                self._kill_for_stop(child, "killed by the stop: a second signal came")
            return
        _log.info("stopping", extra={"within_s": self._config.stop_s})
        self._stopping = Stopping(clock.monotonic_s(), self._config.stop_s)
        self._gates.close(rings.GATE_STOP)
        for child in self._children:
            if child.post.role in ERRANDS or (child.post.role == "handle" and not child.booted):
                self._kill_for_stop(child, "killed by the stop: it had nothing to finish")

    def _kill_for_stop(self, child: Child, detail: str) -> None:
        child.retiring, child.ending = True, child.ending or Overdue(Cause.STOPPED, detail)
        self._nursery.kill(child)

    def _be_quiet(self) -> None:
        if self._quiet:
            return
        self._quiet = True
        _log.info("quiet: nothing new is taken; only a stop follows")
        self._gates.close(rings.GATE_QUIET)
        for child in self._children.of("feed"):
            self._nursery.tell(child, Quiet())

    def _begin_reload(self) -> None:
        if self._stopping is not None or self._quiet or self._children.of("probe"):
            return
        _log.info("reload: code only; for changes of the config file restart")
        self._errand(Post("probe"), PROBE_S)

    # -- listen ------------------------------------------------------------------------------------------
    def _listen(self) -> None:
        for child in self._nursery.speaking():
            self._hear(child)
            if child.leash.closed:
                self._nursery.mute(child)

    def _hear(self, child: Child) -> None:
        for report in child.leash.receive():
            self._take(child, report)

    def _take(self, child: Child, report: Report) -> None:
        now_s = clock.monotonic_s()
        match report:
            case Booted():
                child.booted, child.asynchronous = True, report.asynchronous
                self._round_due_s = min(self._round_due_s, now_s + self._patrol.limits(child).timeout_s)
                said = {"child": child.title, "child_pid": child.pid}
                _log.info("child at work", extra={**said, "seconds": round(now_s - child.born_s, 3)})
            case Status():
                self._take_status(child, report)
            case Assigned():
                child.partitions = report.partitions
                self._staff.assigned(now_s)
                _log.info("assigned", extra={"child": child.title, "partitions": _named(report)})
            case KillHandler():
                self._kill_handler(child, report)
            case Scouted():
                self._staff.scouted(report, now_s)
            case Probed():
                self._reload.probed(report)

    def _take_status(self, child: Child, report: Status) -> None:
        child.state, child.detail = report.state, report.detail
        if report.state == "ok" and self._nag.over(_subject(child)):
            _log.info("well again", extra={"child": child.title})

    def _kill_handler(self, feeder: Child, report: KillHandler) -> None:
        handler = self._children.in_seat("handle", feeder.post.pool, report.seat)
        if handler is not None:
            detail = report.detail or f"{feeder.title} gives its partition away"
            self._patrol.end(handler, Overdue(Cause.REVOKED, detail), clock.monotonic_s())

    # -- reap --------------------------------------------------------------------------------------------
    def _reap(self) -> None:
        for remains in self._nursery.reap():
            child = remains.child
            self._hear(child)
            self._patrol.forget(child)
            child.retiring = child.retiring or self._stopping is not None
            place = self._deaths.note(child, remains.code, clock.monotonic_s(), random())
            self._nursery.clean(child)
            if place is not None and self._may_fill(place):
                _log.debug("to be followed", extra={"child": child.title, "at_s": place.due_s})

    # -- relieve -----------------------------------------------------------------------------------------
    def _relieve(self) -> None:
        now_s = clock.monotonic_s()
        if now_s >= self._round_due_s:
            again_s = self._patrol.go_round(now_s)
            self._round_due_s = now_s + max(SHORTEST_TICK_S, min(self._tick_s, again_s + ROUNDING_S))
            self._gates.watch(now_s)
            self._observer.look(self._memory.overseers)
            self._complain(now_s)
        self._reload.step()
        self._patrol.finish(now_s)
        if self._stopping is not None:
            self._go_on_stopping(self._stopping, now_s)

    def _complain(self, now_s: float) -> None:
        for child in self._children.of("feed"):  # the courier says it itself, with what is waiting
            troubled = child.state not in ("", "ok")
            if troubled and self._nag.due(_subject(child), f"{child.state} {child.detail}", now_s):
                said = {"child": child.title, "state": child.state, "detail": child.detail}
                _log.warning("child in trouble", extra=said)

    def _go_on_stopping(self, stopping: Stopping, now_s: float) -> None:
        alive = {child.post.role for child in self._children}
        while (phase := self._next_phase(stopping, alive, now_s)) is not None:
            for child in self._children.of(phase.role):
                child.retiring, child.deadline_s = True, phase.killed_s
                self._nursery.tell(child, Stop(phase.told_s))

    def _next_phase(self, stopping: Stopping, alive: set[str], now_s: float) -> Phase | None:
        before, entered_s = stopping.current, stopping.entered_s
        phase = stopping.advance(alive, now_s)
        if before is not None and stopping.current is not before:
            took = {"role": before.role, "seconds": round(now_s - entered_s, 3)}
            _log.info("stop phase done", extra={"phase": took["role"], "seconds": took["seconds"]})
        return phase

    def _retire(self, child: Child) -> None:
        now_s = clock.monotonic_s()
        limit_s = self._patrol.limits(child).timeout_s if child.post.role == "handle" else 0.0
        told_s = now_s + max(self._config.revoke_s, limit_s)
        child.retiring, child.deadline_s = True, told_s + RETIRE_GRACE_S
        order = Stop(told_s) if child.post.role == "handle" else Retire(told_s)
        self._nursery.tell(child, order)

    # -- staff -------------------------------------------------------------------------------------------
    def _staff_routes(self) -> None:
        if self._stopping is not None or self._quiet:
            return
        now_s = clock.monotonic_s()
        for post in self._staff.step(now_s):
            child = self._children.in_seat("feed", post.pool, post.number)
            if child is None:  # it had just died, and nobody follows any more
                self._memory.overseers[post.pool].free_feeder(post.number)
                continue
            _log.info("retiring", extra={"child": child.title})
            self._retire(child)
        if now_s >= self._staff.scout_due_s and not self._children.of("scout"):
            self._staff.scout_left(now_s)
            self._errand(Post("scout"), SCOUT_S)
        if now_s >= self._expire_due_s and not self._children.of("clerk"):
            self._expire_due_s = now_s + expire_every_s(self._config)
            self._errand(Post("clerk"), CLERK_S)

    # -- fill --------------------------------------------------------------------------------------------
    def _may_fill(self, place: Place) -> bool:
        return self._stopping is None or self._stopping.may_follow(place.post.role)

    def _fill(self) -> None:
        now_s = clock.monotonic_s()
        for place in self._roster.empty():
            if place.due_s <= now_s and self._may_fill(place):
                self._seat(place, now_s)

    def _seat(self, place: Place, now_s: float) -> None:
        post = place.post
        index, incarnation = self._take_seat(post)
        if index < 0:
            place.due_s = now_s + NO_SEAT_S
            if self._nag.due(f"seat {post.pool}", "", now_s):
                _log.warning("no free seat: waiting for feeders to clear one", extra={"of_route": post.pool})
            return
        place.child = self._bear(post, index, incarnation)
        if place.child is None:
            place.due_s = now_s + NO_FORK_S
            if post.role == "handle":
                self._memory.overseers[post.pool].bury(index, rings.RECYCLE)
        elif self._quiet and post.role == "feed":
            self._nursery.tell(place.child, Quiet())

    def _take_seat(self, post: Post) -> tuple[int, int]:
        if post.role != "handle":
            index = post.number
            if self._children.in_seat(post.role, post.pool, index) is not None:
                return -1, 0  # one that retires still sits there
            return index, self._incarnations.next(post.role, post.pool, index)
        overseer = self._memory.overseers[post.pool]
        index = overseer.free_seat()
        return index, overseer.admit(index) if index >= 0 else 0

    def _errand(self, post: Post, limit_s: float) -> None:
        child = self._bear(post, 0, 1)
        if child is not None:
            child.deadline_s = clock.monotonic_s() + limit_s

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

    # -- beat --------------------------------------------------------------------------------------------
    def _beat(self) -> None:
        self._memory.board.beat(OWN_ROW)


def tick_s(config: Config) -> float:
    """How often to go round when no call ends a round sooner: rarely, unless something has to be sampled."""
    limits_s = [LONGEST_TICK_S]
    for route in config.routes.values():
        if route.max_rss_bytes is not None:
            limits_s.append(RSS_TICK_S)
        if route.flood:
            limits_s += [route.flood.probe_s / 2, route.flood.window_s / 10]
    return max(SHORTEST_TICK_S, min(limits_s))


def expire_every_s(config: Config) -> float:
    """How often the dead set is looked at for what is older than `dead.keep_s`: to a tenth of it."""
    return max(LONGEST_TICK_S, min(EXPIRE_EVERY_S, (config.dead.keep_s or math.inf) / 10))


def _subject(child: Child) -> str:
    return f"{child.post.role} {child.post.pool} {child.post.source}"


def _named(report: Assigned) -> str:
    return " ".join(f"{topic}/{partition}" for topic, partition in sorted(report.partitions)) or "none"
