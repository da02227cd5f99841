"""The supervisor's loop: wait, obey, listen, reap, relieve, staff, fill, serve, beat.

`run` enters. It starts no thread, holds no client and touches no message; nothing in it blocks but the wait.
Whatever else is done on a node hooks in where the Supervisor is made: `commands` (a request -> who does it),
`reports` (a child's report -> who takes it), `filling.greetings` (what each newborn is told), `turns`, and
`sights` (what the picture shows).
"""

import logging
import math
import os
import signal
from collections.abc import Callable
from random import random

from ringmain import clock, control
from ringmain.config.schema import Config
from ringmain.lifecycle import (
    Assigned,
    Booted,
    Declared,
    Depths,
    GaveUp,
    Heard,
    KillHandler,
    Measured,
    Probed,
    Scouted,
    Settled,
    Status,
)
from ringmain.supervise import lineup
from ringmain.supervise.applying import Applying, Hands
from ringmain.supervise.commands import Answer, Commands
from ringmain.supervise.deaths import Deaths
from ringmain.supervise.desk import Desk
from ringmain.supervise.ending import Ending
from ringmain.supervise.errands import Errands
from ringmain.supervise.filling import Filling
from ringmain.supervise.gates import Gates
from ringmain.supervise.live import Live
from ringmain.supervise.lookout import Lookout
from ringmain.supervise.memory import Memory
from ringmain.supervise.nag import Nag
from ringmain.supervise.neighbours import Neighbours
from ringmain.supervise.notify import Notify
from ringmain.supervise.nursery import OWN_ROW, Nursery
from ringmain.supervise.observer import Observer
from ringmain.supervise.patrol import Patrol
from ringmain.supervise.posts import Child, Roster
from ringmain.supervise.reload import Reload
from ringmain.supervise.reports import Reports
from ringmain.supervise.respawn import Cause
from ringmain.supervise.running import Running
from ringmain.supervise.sights import Sights
from ringmain.supervise.signals import Signals
from ringmain.supervise.staff import Staff
from ringmain.supervise.watch import Overdue

LONGEST_TICK_S, SHORTEST_TICK_S = 2.0, 0.01
FLOOD_TICK_S, WARY_S = 0.2, 10.0
"""A wrong type fails with each message, as fast as they come, mostly right after a start: what a breaker does
not see by then is dead. Where nothing is called nobody looks so often."""
RSS_TICK_S = 0.5
ROUNDING_S = 0.001
REFUSED = "refused"
"""The state of a child that the queues answer and do not serve; all who are, are for one reason."""
_log = logging.getLogger(__name__)


class Supervisor:
    """One node's processes."""

    def __init__(
        self, memory: Memory, nursery: Nursery, signals: Signals, observer: Observer, running: Running
    ) -> None:
        config = memory.config
        self._memory, self._nursery, self._signals, self._observer = memory, nursery, signals, observer
        self._children = nursery.children
        self._roster = Roster()
        self._nag = Nag()
        self._gates = Gates(config, memory.overseers)
        self._patrol = Patrol(memory, nursery)
        self._deaths = Deaths(memory, self._gates, self._roster)
        self._ending = Ending(memory, nursery, self._gates, self._patrol)
        self._filling = Filling(memory, nursery, self._roster, self._ending)
        self._staff = Staff(config, memory, self._roster)
        self._errands = Errands(config, nursery, self._filling, self._staff)
        self._neighbours = Neighbours(memory, nursery)
        self._adopt(config)
        self._round_due_s = self._flood_due_s = 0.0
        self._wary_until_s = clock.monotonic_s() + WARY_S
        self._turns: list[Callable[[float], float]] = []
        """Each is called once a turn of the loop and says when at the latest it wants the next one."""
        self._turn_due_s = math.inf
        self._sights = Sights(memory, nursery, self._roster, self._gates, self._ending, self._deaths)
        self._sights.queues, self._sights.peers = self._neighbours.queues, self._neighbours.peers.picture
        self._lookout = Lookout(self._sights)
        self._live = live = Live(memory, nursery, self._roster, self._ending, self._filling)
        hands = Hands(memory, nursery, self._roster, self._ending, live.recycle, live.scales)
        self._applying = Applying(hands)
        self._reload = Reload(hands, self._applying, running)
        self._notify = Notify(os.environ)
        self._commands, self._reports = Commands(), Reports()
        self._desk = Desk(_address(config), nursery, self._commands)
        self._hook_in()
        nursery.heed(signals.fileno())

    def _hook_in(self) -> None:
        self._commands.register(control.Look, self._lookout.line)
        self._commands.acted.append(self._lookout.outdate)
        self._commands.register(control.Quiet, self._told_quiet)
        self._commands.register(control.Stop, self._told_stop)
        self._reports.register(Booted, self._take_booted)
        self._reports.register(Status, self._take_status)
        self._reports.register(Settled, self._ending.take_settled)
        self._reports.register(GaveUp, _take_last_words)
        self._reports.register(Assigned, self._take_assigned)
        self._reports.register(Measured, _take_measured)
        self._reports.register(KillHandler, self._take_kill_handler)
        self._reports.register(Scouted, self._take_scouted)
        self._commands.register(control.Reload, self._reload.told)
        self._reports.register(Probed, self._reload.probed)
        self._applying.adopters += [self._adopt, self._gates.adopt, self._staff.adopt, self._errands.adopt]
        self._applying.closers.append(self._gates.forget)
        self._reload.began, self._reload.ended = self._notify.reloading, self._notify.reloaded
        self._reports.register(Heard, self._neighbours.take_heard)
        self._reports.register(Depths, self._neighbours.take_depths)
        self._reports.register(Declared, self._neighbours.take_declared)
        self._ending.partings.append(self._neighbours.part)
        self._ending.partings.append(lambda: self._notify.stopping(self._memory.config.stop_s))
        self._nursery.partings.append(self._notify.close)
        self._filling.greetings.append(self._ending.greet)
        self._live.hook_in(self._commands, self._reports, self._sights, self._neighbours)
        self._turns += [*self._live.turns(), self._reload.turn, self._lookout.turn]
        self._turns += [self._desk.serve, self._neighbours.turn]
        self._turns.append(lambda now_s: self._notify.turn(now_s, self._lookout, self._children))

    def _adopt(self, config: Config) -> None:
        """Go by this config from now on."""
        self._tick_s = min(tick_s(config), self._observer.every_s)

    def run(self) -> int:
        """Until a stop is done."""
        try:
            self._open()
            while not self._ending.over():
                self._wait()
                self._obey()
                self._listen()
                self._reap()
                self._relieve()
                self._staff_routes()
                self._filling.fill(clock.monotonic_s())
                self._take_turns()
                self._beat()
            self._close()
        finally:
            self._desk.close()
            self._notify.close()
        return 0

    # -- start and end -----------------------------------------------------------------------------------
    def _open(self) -> None:
        # Feeders first: joining the group takes longest.
        self._staff.begin()
        for post in lineup.posts(self._memory.config, self._nursery.unhandled, self._memory.queue_seats()):
            self._roster.want(post)
        self._live.open()

    def _close(self) -> None:
        self._observer.look(self._memory.overseers)
        self._ending.close()

    # -- wait --------------------------------------------------------------------------------------------
    def _wait(self) -> None:
        rounds_s = min(self._round_due_s, self._flood_due_s, self._turn_due_s)
        due_s = min(rounds_s, self._patrol.next_s(), self._filling.next_s())
        self._nursery.wait(due_s - clock.monotonic_s())

    # -- obey --------------------------------------------------------------------------------------------
    def _obey(self) -> None:
        for number in self._signals.take():
            if number in (signal.SIGTERM, signal.SIGINT):
                self._ending.stop()
            elif number == signal.SIGUSR1:
                self._ending.be_quiet()
            elif number == signal.SIGHUP:
                self._reload.hang_up()

    def _told_stop(self, request: control.Stop) -> Answer:
        if request.now:
            self._ending.stop_now("told to stop now")
        else:
            self._ending.stop()
        return control.Done("stopping")

    def _told_quiet(self, _: control.Quiet) -> Answer:
        if self._ending.is_stopping:
            return control.Refused("the node is stopping")
        self._ending.be_quiet()
        return control.Done("quiet: nothing new is taken; only a stop follows")

    # -- listen ------------------------------------------------------------------------------------------
    def _listen(self) -> None:
        for child in self._nursery.speaking():
            self._hear(child)
            if child.leash.closed:
                self._nursery.mute(child)

    def _hear(self, child: Child) -> None:
        for report in child.leash.receive():
            self._reports.take(child, report)

    def _take_booted(self, child: Child, report: Booted) -> None:
        now_s = clock.monotonic_s()
        child.booted, child.asynchronous = True, report.asynchronous
        self._round_due_s = min(self._round_due_s, now_s + self._patrol.limits(child).timeout_s)
        said = {"child": child.title, "child_pid": child.pid}
        _log.info("child at work", extra={**said, "seconds": round(now_s - child.born_s, 3)})

    def _take_status(self, child: Child, report: Status) -> None:
        child.state, child.detail = report.state, report.detail
        if report.state == "ok" and self._nag.over(_subject(child)):
            _log.info("well again", extra={"child": child.title})
        still = any(one.state == REFUSED for one in self._children)
        if not still and self._nag.over(REFUSED):
            _log.info("queues can be used again")

    def _take_assigned(self, child: Child, report: Assigned) -> None:
        child.partitions = report.partitions
        self._staff.assigned(clock.monotonic_s())
        _log.info("assigned", extra={"child": child.title, "partitions": _named(report)})

    def _take_scouted(self, child: Child, report: Scouted) -> None:
        now_s = clock.monotonic_s()
        self._staff.scouted(report, now_s)
        self._errands.scouted(report, now_s)
        self._neighbours.take_scouted(child, report)

    def _take_kill_handler(self, feeder: Child, report: KillHandler) -> None:
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
            child.retiring = child.retiring or self._ending.is_stopping
            place = self._deaths.note(child, remains.code, clock.monotonic_s(), random())
            self._nursery.clean(child)
            if place is not None and self._ending.may_follow(place.post):
                _log.debug("to be followed", extra={"child": child.title, "at_s": place.due_s})

    # -- relieve -----------------------------------------------------------------------------------------
    def _relieve(self) -> None:
        now_s = clock.monotonic_s()
        if now_s >= self._flood_due_s:
            wary = self._gates.watch(now_s) or now_s < self._wary_until_s
            self._flood_due_s = now_s + (FLOOD_TICK_S if wary else LONGEST_TICK_S)
        if now_s >= self._round_due_s:
            again_s = self._patrol.go_round(now_s)
            self._round_due_s = now_s + max(SHORTEST_TICK_S, min(self._tick_s, again_s + ROUNDING_S))
            self._observer.look(self._memory.overseers)
            self._complain(now_s)
        self._patrol.finish(now_s)
        self._ending.go_on(now_s)

    def _complain(self, now_s: float) -> None:
        for child in self._children:
            if child.state == REFUSED and self._nag.due(REFUSED, "", now_s):
                _log.error("queues cannot be used", extra={"reason": child.detail})
        for child in self._children.of("feed"):  # the courier says it itself, with what is waiting
            troubled = child.state not in ("", "ok", REFUSED)
            if troubled and self._nag.due(_subject(child), f"{child.state} {child.detail}", now_s):
                said = {"child": child.title, "state": child.state, "detail": child.detail}
                _log.warning("child in trouble", extra=said)

    # -- staff -------------------------------------------------------------------------------------------
    def _staff_routes(self) -> None:
        if not self._ending.goes_on:
            return
        now_s = clock.monotonic_s()
        for post in self._staff.step(now_s):
            child = self._children.in_seat("feed", post.pool, post.number)
            if child is None:  # it had just died, and nobody follows any more
                self._memory.overseers[post.pool].free_feeder(post.number)
                continue
            _log.info("retiring", extra={"child": child.title})
            self._ending.retire(child)
        self._errands.send(now_s)

    # -- serve, beat -------------------------------------------------------------------------------------
    def _take_turns(self) -> None:
        now_s = clock.monotonic_s()
        self._turn_due_s = min((turn(now_s) for turn in self._turns), default=math.inf)

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


def _take_measured(child: Child, report: Measured) -> None:
    child.client = report.client


def _take_last_words(child: Child, report: GaveUp) -> None:
    child.last_words = report.reason


def _address(config: Config) -> str:
    return control.socket_path(config.runtime_dir, config.name, config.node)


def _subject(child: Child) -> str:
    return f"{child.post.role} {child.post.pool} {child.post.source}"


def _named(report: Assigned) -> str:
    return " ".join(f"{topic}/{partition}" for topic, partition in sorted(report.partitions)) or "none"
