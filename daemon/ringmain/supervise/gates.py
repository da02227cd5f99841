"""Opens and closes the gates of all routes: the circuit breaker's, quiet, stop.

The loop enters. When to pause is decided in flood.py; handlers look at the gate before each claim.
"""

import logging
from collections.abc import Mapping

from ringmain import rings
from ringmain.config.schema import Config
from ringmain.rings import Overseer
from ringmain.supervise.flood import Breaker, Verdict

_log = logging.getLogger(__name__)


class Gates:
    """The gates of the node's routes."""

    def __init__(self, config: Config, overseers: Mapping[str, Overseer]) -> None:
        self._overseers = overseers
        self._breakers = {name: Breaker(route.flood) for name, route in config.routes.items() if route.flood}
        self._killed = dict.fromkeys(config.routes, 0)

    def blame(self, route: str) -> None:
        """A handler process died of a call: a failed call that no counter has seen."""
        self._killed[route] += 1

    def watch(self, now_s: float) -> None:
        """Let each breaker see its route's counters, and do what it says."""
        for name, breaker in self._breakers.items():
            done, skip, retry, dead, channel = self._overseers[name].totals()
            failed = retry + dead + self._killed[name]
            self._act(name, breaker, breaker.observe(now_s, done + skip + channel + failed, failed))

    def _act(self, name: str, breaker: Breaker, verdict: Verdict) -> None:
        overseer = self._overseers[name]
        if verdict is Verdict.PAUSE:
            overseer.close_gate(rings.GATE_FLOOD)
            again = {"probe_s": breaker.policy.probe_s}
            _log.error("flood: route paused", extra={"of_route": name, "reason": breaker.reason(), **again})
        elif verdict is Verdict.PROBE:
            overseer.allow_probe(1)
            _log.info("flood: one message is tried", extra={"of_route": name})
        elif verdict is Verdict.RESUME:
            overseer.open_gate(rings.GATE_FLOOD)
            _log.info("flood: route resumed", extra={"of_route": name})

    def close(self, gate: int) -> None:
        """Close a gate of all routes."""
        for overseer in self._overseers.values():
            overseer.close_gate(gate)
            overseer.wake_all()
