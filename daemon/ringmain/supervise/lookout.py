"""The lookout: sees all of the node again and again, and paints the picture for whoever asks.

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
from ringmain.supervise.poolsight import Pools
from ringmain.supervise.posts import Place
from ringmain.supervise.samples import Samples
from ringmain.supervise.sights import Sights

GLANCE_S = 1.0
"""Between two glances at least; the loop goes round every 2 s, and no turn is made for a glance alone."""
ASKED_S = 30.0
LOOK_S = 1.0
"""Between two looks, as long as somebody has asked within ASKED_S: rates need them."""
FRESH_S = 0.2
"""A picture is good for so long, unless something was done meanwhile."""


class Lookout:
    """Looks, remembers what only time shows, and tells."""

    def __init__(self, sights: Sights) -> None:
        self._sights = sights
        self._samples = Samples()
        self._began_s = clock.monotonic_s()
        self._identity = _identity(sights.memory.config)
        self._looked_s = self._glanced_s = self._asked_s = -math.inf
        self._line, self._painted_s = b"", -math.inf
        self.node: control.Node | None = None
        """What was seen last."""
        self.is_up = False
        """The first children of every post have come to work, or have tried: else one that dies again and
        again would make the start last for ever."""

    def turn(self, now_s: float) -> float:
        """See again and again, so that what lasts is known to last. PERF: a glance where nobody asks."""
        self.is_up = self.is_up or all(_has_tried(place) for place in self._sights.roster)
        wanted = now_s - self._asked_s < ASKED_S
        if wanted and now_s - self._looked_s >= LOOK_S:
            self.look(now_s)
        elif now_s - self._glanced_s >= GLANCE_S:
            self._glance(now_s)
        return self._looked_s + LOOK_S if wanted else math.inf

    def _glance(self, now_s: float) -> None:
        self._glanced_s = now_s
        Places(self._sights, self._samples, now_s).glance()
        Pools(self._sights, self._samples, now_s).glance()

    def look(self, now_s: float) -> control.Node:
        """See everything now."""
        self._looked_s = self._glanced_s = now_s
        self.node = paint(self._view(now_s))
        self._samples.forget()
        return self.node

    def line(self, _: control.Look) -> bytes:
        """The picture as the line it is sent as: many who ask at once get the same."""
        self._asked_s = now_s = clock.monotonic_s()
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


def _has_tried(place: Place) -> bool:
    return bool(place.last) or (place.child is not None and place.child.booted)


def _identity(config: Config) -> Identity:
    try:
        release = version("ringmain")
    except PackageNotFoundError:
        release = ""
    return Identity(config.name, config.node, release, os.getpid(), list(config.modes), clock.wall_ms())
