"""A reload: the file and the code as they are now take hold of a running node, or nothing changes.

An operator's `reload` and HUP enter; the probe's word and every turn of the loop carry it on. The file is
read and compared here; a probe imports the app with the new config, in a process of its own. Whatever is
wrong, or needs a restart, is said with all reasons at once, and then all stays as it is.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

from ringmain import clock, control
from ringmain.config.diff import Change, diff
from ringmain.config.pools import pools
from ringmain.config.schema import Config
from ringmain.errors import ConfigError
from ringmain.lifecycle import Probed
from ringmain.supervise.applying import Applying, Hands
from ringmain.supervise.commands import Answer, Later
from ringmain.supervise.posts import Child, Post
from ringmain.supervise.probe import TRIAL
from ringmain.supervise.running import Running

PROBE_S = 300.0
STEP_S = 0.05
_log = logging.getLogger(__name__)


@dataclass
class _Trial:
    """A config that is being tried."""

    config: Config
    changes: list[Change]
    request: control.Reload
    later: Later
    probe: Child


class Reload:
    """One reload at a time; a HUP during one is heard when that one is done."""

    def __init__(self, hands: Hands, applying: Applying, running: Running) -> None:
        self._hands, self._applying, self._running = hands, applying, running
        self._code = hands.nursery.code
        self._trial: _Trial | None = None
        self._began_s = 0.0
        self._under_way = False
        self._again = False
        self.began: Callable[[], None] = _nothing
        """Called when a reload is looked at, and `ended` when it is done or refused."""
        self.ended: Callable[[], None] = _nothing

    # -- asked ---------------------------------------------------------------------------------------------
    def hang_up(self) -> None:
        """HUP: config and code, whatever has changed."""
        if self._is_busy():
            self._again = self._hands.ending.goes_on
        else:
            self.told(control.Reload(code=True))

    def told(self, request: control.Reload) -> Answer:
        """An operator's wish; answered when the probe has spoken."""
        if not self._hands.ending.goes_on:
            return control.Refused("the node is quiet or stopping: it reloads nothing")
        if self._is_busy():
            return control.Refused("processes are being replaced already: ask again when that is done")
        _log.info("reload", extra={"operator": request.operator, "dry_run": request.dry_run})
        self.began()
        try:
            config = self._running.read()
        except ConfigError as error:
            return self._refuse([str(error)])
        changes = diff(self._hands.memory.config, config)
        if reasons := [*_restarts(changes), *self._too_many(config)]:
            return self._refuse(reasons)
        return self._try(request, config, changes)

    def _is_busy(self) -> bool:
        return self._trial is not None or self._applying.busy

    def _refuse(self, reasons: list[str]) -> control.Refused:
        reason = "\n".join(reasons)
        _log.error("reload refused: nothing changes", extra={"reason": reason})
        self.ended()
        return control.Refused(f"nothing changes: {reason}")

    def _too_many(self, config: Config) -> list[str]:
        """Rings have seats for so many, and are made once."""
        found = []
        memory = self._hands.memory
        for pool in pools(config):
            if pool.key in memory.segments and pool.handlers > (room := self._hands.scales.room_of(pool.key)):
                found.append(f"{pool.key}: {pool.handlers} handlers (restart: its ring has room for {room})")
        for name, route in config.routes.items():
            if name in memory.segments and (route.consumers or 0) > (seats := memory.kafka_room(name)):
                found.append(f"{name}: {route.consumers} consumers (restart: its ring has room for {seats})")
        return found

    # -- tried ---------------------------------------------------------------------------------------------
    def _try(self, request: control.Reload, config: Config, changes: list[Change]) -> Answer:
        try:
            probe = self._hands.nursery.bear(Post("probe", source=TRIAL), config=config)
        except OSError as error:
            return self._refuse([f"cannot start a process: {error.strerror or error}"])
        probe.deadline_s = clock.monotonic_s() + PROBE_S
        self._trial = _Trial(config, changes, request, Later(), probe)
        return self._trial.later

    def probed(self, child: Child, report: Probed) -> None:
        """The probe's word."""
        trial = self._trial
        if trial is None or trial.probe is not child:
            return
        self._trial = None
        reason = report.reason or self._moved(trial.config, set(report.unhandled))
        if reason:
            trial.later.answer(self._refuse([reason]))
        elif not self._hands.ending.goes_on:
            trial.later.answer(self._refuse(["the node is quiet or stopping"]))
        elif self._applying.busy:  # a fresh one that takes over from an old one was born with the old config
            trial.later.answer(self._refuse(["processes are being replaced meanwhile: ask again after that"]))
        else:
            trial.later.answer(self._accept(trial, report))

    def _moved(self, config: Config, unhandled: set[str]) -> str:
        """Whether a route's own pool has processes is settled when its ring is made."""
        moved = (unhandled ^ self._hands.nursery.unhandled) & set(self._hands.memory.segments)
        routes = ", ".join(sorted(moved & set(config.routes)))
        return f"whether the app has a handler for {routes} is different: restart" if routes else ""

    # -- accepted ------------------------------------------------------------------------------------------
    def _accept(self, trial: _Trial, report: Probed) -> control.Reply:
        lines = [str(change) for change in trial.changes]
        all_handlers = trial.request.code or report.code != self._code
        if all_handlers:
            lines.append("code: all handlers are replaced, one after another")
        if trial.request.dry_run:
            self.ended()
            return control.Done(
                "a reload would change this:" if lines else "a reload would change nothing", lines
            )
        for line in lines:
            _log.info("reload changes", extra={"change": line})
        try:
            made = self._hands.memory.add_pools(trial.config)
        except OSError as error:
            return self._refuse([f"shared memory: {error.strerror or error}"])
        nursery, self._code = self._hands.nursery, report.code
        nursery.unhandled, nursery.mounted = frozenset(report.unhandled), report.mounted
        replaced = self._applying.begin(trial.config, trial.changes, made, all_handlers)
        self._running.keep()
        self._began_s, self._under_way = clock.monotonic_s(), True
        _log.info("reload under way", extra={"changes": len(lines), "replaced": replaced})
        return control.Done(f"reloading: {_counted(replaced)}" if lines else "nothing has changed", lines)

    # -- carried on ----------------------------------------------------------------------------------------
    def turn(self, now_s: float) -> float:
        """Go on as far as possible; when to come again at the latest."""
        if self._trial is not None and self._trial.probe not in list(self._hands.nursery.children):
            said = "the app's import ended the process, or took too long"
            self._trial.later.answer(self._refuse([said]))
            self._trial = None
        self._applying.step()
        if self._under_way and not self._applying.busy:
            self._under_way = False
            self.ended()
            _log.info("reload done", extra={"seconds": round(now_s - self._began_s, 3)})
        if self._again and not self._is_busy():
            self._again = False
            self.hang_up()
        return now_s + STEP_S if self._is_busy() else math.inf


def _nothing() -> None:
    """Nobody wants to know."""


def _counted(replaced: int) -> str:
    if replaced == 1:
        return "one process is replaced"
    return f"{replaced} processes are replaced, one after another" if replaced else "no process is replaced"


def _restarts(changes: list[Change]) -> list[str]:
    return [str(change) for change in changes if change.effect.restart]
