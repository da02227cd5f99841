"""The lookout: sees all of the node once a second, and paints the picture for whoever asks.

The loop enters at each turn, the desk's `Look` in between. Counters, beats and the roster are read here, and
nothing is changed.
"""

import math
import os
from importlib.metadata import PackageNotFoundError, version

import msgspec

from ringmain import clock, control
from ringmain.config.schema import Config
from ringmain.seat import NOUNS
from ringmain.supervise.picture import Identity, View, paint
from ringmain.supervise.placesight import Places
from ringmain.supervise.poolsight import EVERY_S, Pools
from ringmain.supervise.samples import Samples
from ringmain.supervise.sights import Sights

FRESH_S = 0.2
"""A picture is good for so long, unless something was done meanwhile."""


class Lookout:
    """Looks, remembers what only time shows, and tells."""

    def __init__(self, sights: Sights) -> None:
        self._sights = sights
        self._samples = Samples()
        self._began_s = clock.monotonic_s()
        self._identity = _identity(sights.memory.config)
        self._looked_s = -math.inf
        self._line, self._painted_s = b"", -math.inf
        self.node: control.Node | None = None
        """What was seen last."""
        self.is_up = False
        """The first children of every post have come to work, or have tried: else one that dies again and
        again would make the start last for ever."""

    def turn(self, now_s: float) -> float:
        """One look a second, so that what lasts is known to last."""
        if now_s - self._looked_s >= EVERY_S:
            self.look(now_s)
        return self._looked_s + EVERY_S

    def look(self, now_s: float) -> control.Node:
        """See everything now."""
        self._looked_s = now_s
        self.node = paint(self._view(now_s))
        self._samples.forget()
        return self.node

    def line(self, _: control.Look) -> bytes:
        """The picture as the line it is sent as: many who ask at once get the same."""
        now_s = clock.monotonic_s()
        if now_s - self._painted_s >= FRESH_S:
            self._line, self._painted_s = msgspec.json.encode(self.look(now_s)), now_s
        return self._line

    def outdate(self) -> None:
        """Something was done: the next picture shows it."""
        self._painted_s = -math.inf

    def _view(self, now_s: float) -> View:
        sights, samples = self._sights, self._samples
        places = Places(sights, samples, now_s)
        facts, processes = places.facts(), places.processes()
        self.is_up = self.is_up or all(place.booted or place.last for place in facts)
        pools = Pools(sights, samples, now_s)
        seen = pools.pools()
        return View(
            self._identity,
            self._state(),
            now_s - self._began_s,
            facts,
            processes,
            seen,
            pools.partitions(),
            pools.rings(),
            self._restarts(),
            sights.queues(now_s),
            sights.peers(now_s),
        )

    def _state(self) -> str:
        ending = self._sights.ending
        if ending.is_stopping:
            return "stopping"
        if ending.is_quiet:
            return "quiet"
        return "running" if self.is_up else "starting"

    def _restarts(self) -> dict[str, int]:
        counts = self._sights.deaths.counts
        return {
            f"{NOUNS.get(role, role)} {pool or '-'} {cause.value}": many
            for (role, pool, cause), many in counts.items()
        }


def _identity(config: Config) -> Identity:
    try:
        release = version("ringmain")
    except PackageNotFoundError:
        release = ""
    return Identity(config.name, config.node, release, os.getpid(), list(config.modes), clock.wall_ms())
