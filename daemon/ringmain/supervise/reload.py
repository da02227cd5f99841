"""A reload: the code is imported once by a probe; then handlers are replaced one by one.

The loop enters with HUP, with the probe's word and at every round. A supervisor never imports the app, so a
fresh handler has the fresh code. When the probe fails nothing changes; when a fresh handler does not come to
work the rest stays as it is.
"""

import logging
from collections.abc import Callable, Collection

from ringmain.lifecycle import Probed
from ringmain.supervise.posts import Child, Place, Roster

_log = logging.getLogger(__name__)


class Reload:
    """One reload at a time; a HUP during one begins it again."""

    def __init__(self, roster: Roster, unhandled: Collection[str], retire: Callable[[Child], None]) -> None:
        self._roster = roster
        self._unhandled = set(unhandled)
        self._retire = retire
        self._old: list[int] = []
        self._turn: Place | None = None
        self._leaving = 0

    def probed(self, report: Probed) -> None:
        """Begin, if the code can be imported."""
        reason = report.reason or self._moved(set(report.unhandled))
        if reason:
            _log.error("reload refused: nothing changes", extra={"reason": reason})
            return
        self._old = [place.child.pid for place in self._roster.of("handle") if place.child is not None]
        _log.info("reload: replacing handlers one by one", extra={"handlers": len(self._old)})

    def _moved(self, unhandled: set[str]) -> str:
        """Whether a route's own pool has processes is settled at the start."""
        routes = ", ".join(sorted(unhandled ^ self._unhandled))
        return f"whether the app has a handler for {routes} is different: restart" if routes else ""

    def step(self) -> None:
        """The next handler, when the one before it has been followed by one at work."""
        if self._turn is not None and not self._followed(self._turn):
            return
        self._turn = None
        while self._old and self._turn is None:
            self._turn = self._begin(self._old.pop(0))
            if not self._old:
                _log.info("reload: the last handler is being replaced")

    def _begin(self, pid: int) -> Place | None:
        for place in self._roster.of("handle"):
            if place.child is not None and place.child.pid == pid:
                self._leaving = pid
                self._retire(place.child)
                return place
        return None

    def _followed(self, place: Place) -> bool:
        if place.child is None:
            if self._old and place.history.streak:
                _log.error("reload given up: a fresh handler does not boot", extra={"left": len(self._old)})
                self._old.clear()
            return False
        return place.child.pid != self._leaving and place.child.booted
