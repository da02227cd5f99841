"""Opens and closes the gates of all pools: the circuit breaker's, quiet, stop.

The loop enters. When to pause is decided in flood.py; handlers look at the gate before each claim.
"""

import logging
from collections.abc import Mapping

from ringmain import rings
from ringmain.config.pools import pool_of
from ringmain.config.schema import Config
from ringmain.rings import Overseer
from ringmain.supervise.flood import Breaker, Verdict

_log = logging.getLogger(__name__)


class Gates:
    """The gates of the node's pools: a channel that fails pauses alone, and so does a route."""

    def __init__(self, config: Config, overseers: Mapping[str, Overseer]) -> None:
        self._overseers = overseers
        policies = {key: pool_of(config, key).settings.flood for key in overseers}
        self._breakers = {key: Breaker(policy) for key, policy in policies.items() if policy}
        self._killed = dict.fromkeys(overseers, 0)

    def blame(self, pool: str) -> None:
        """A handler process died of a call: a failed call that no counter has seen."""
        self._killed[pool] += 1

    def watch(self, now_s: float) -> None:
        """Let each breaker see its pool's counters, and do what it says."""
        for key, breaker in self._breakers.items():
            done, skip, retry, dead, channel = self._overseers[key].totals()
            failed = retry + dead + self._killed[key]
            self._act(key, breaker, breaker.observe(now_s, done + skip + channel + failed, failed))

    def _act(self, pool: str, breaker: Breaker, verdict: Verdict) -> None:
        overseer = self._overseers[pool]
        if verdict is Verdict.PAUSE:
            overseer.close_gate(rings.GATE_FLOOD)
            again = {"probe_s": breaker.policy.probe_s}
            _log.error("flood: route paused", extra={"of_route": pool, "reason": breaker.reason(), **again})
        elif verdict is Verdict.PROBE:
            overseer.allow_probe(1)
            _log.info("flood: one message is tried", extra={"of_route": pool})
        elif verdict is Verdict.RESUME:
            overseer.open_gate(rings.GATE_FLOOD)
            _log.info("flood: route resumed", extra={"of_route": pool})

    def close(self, gate: int) -> None:
        """Close a gate of all pools."""
        for overseer in self._overseers.values():
            overseer.close_gate(gate)
            overseer.wake_all()
