"""Opens and closes the gates of all pools: the circuit breaker's, quiet, stop.

The loop enters. When to pause is decided in flood.py; handlers look at the gate before each claim.
"""

import logging
from collections.abc import Mapping

from ringmain import clock, rings
from ringmain.config.pools import pools
from ringmain.config.schema import Config
from ringmain.control import PausedBy
from ringmain.rings import Overseer
from ringmain.supervise.flood import Breaker, Verdict

_log = logging.getLogger(__name__)


class Gates:
    """The gates of the node's pools: a channel that fails pauses alone, and so does a route."""

    def __init__(self, config: Config, overseers: Mapping[str, Overseer]) -> None:
        self._overseers = overseers
        self._breakers: dict[str, Breaker] = {}
        self._killed = dict.fromkeys(overseers, 0)
        self._flooded_ms: dict[str, int] = {}
        self._calls: dict[str, int] = {}
        self.adopt(config)

    def adopt(self, config: Config) -> None:
        """Go by this config's policies from now on; what is paused stays so until a message passes."""
        known = {pool.key: pool.settings.flood for pool in pools(config)}
        for key in self._overseers:
            self._killed.setdefault(key, 0)
            policy = known.get(key)
            if policy is None:
                self._give_up(key)
            elif key in self._breakers:
                self._breakers[key].policy = policy
                self._breakers[key].try_soon()  # what is new may be the remedy
            else:
                self._breakers[key] = Breaker(policy)

    def _give_up(self, pool: str) -> None:
        breaker = self._breakers.pop(pool, None)
        if breaker is not None and breaker.paused:
            self._overseers[pool].open_gate(rings.GATE_FLOOD)
            _log.info("flood: route resumed", extra={"of_route": pool})

    def forget(self, pool: str) -> None:
        """Its ring is about to be closed."""
        self._breakers.pop(pool, None)
        self._killed.pop(pool, None)
        self._calls.pop(pool, None)

    def blame(self, pool: str) -> None:
        """A handler process died of a call: a failed call that no counter sees, unless it was too long."""
        self._killed[pool] += 1

    def watch(self, now_s: float) -> bool:
        """Let each breaker see its pool's counters and do what it says; True = there were calls meanwhile."""
        before = dict(self._calls)
        for key, breaker in self._breakers.items():
            done, skip, retry, dead, channel = self._overseers[key].totals()
            failed = retry + dead + self._killed[key]
            self._calls[key] = done + skip + channel + failed
            self._act(key, breaker, breaker.observe(now_s, self._calls[key], failed))
        return self._calls != before

    def _act(self, pool: str, breaker: Breaker, verdict: Verdict) -> None:
        overseer = self._overseers[pool]
        if verdict is Verdict.PAUSE:
            overseer.close_gate(rings.GATE_FLOOD)
            self._flooded_ms[pool] = clock.wall_ms()
            again = {"probe_s": breaker.policy.probe_s}
            _log.error("flood: route paused", extra={"of_route": pool, "reason": breaker.reason(), **again})
        elif verdict is Verdict.PROBE:
            overseer.allow_probe(1)
            _log.info("flood: one message is tried", extra={"of_route": pool})
        elif verdict is Verdict.RESUME:
            overseer.open_gate(rings.GATE_FLOOD)
            _log.info("flood: route resumed", extra={"of_route": pool})

    def try_now(self, pool: str) -> str:
        """Somebody thinks that a pool may go on: one message is tried. Says so where a breaker pauses it."""
        breaker = self._breakers.get(pool)
        if breaker is None or not breaker.paused:
            return ""
        breaker.try_soon()
        return f"{pool} is paused by the circuit breaker ({breaker.reason()}): one message is tried now"

    def paused(self, pool: str) -> list[PausedBy]:
        """Why the pool's handlers claim nothing, as far as it is decided here or was by one of them."""
        overseer, found = self._overseers[pool], []
        breaker = self._breakers.get(pool)
        if breaker is not None and breaker.paused:
            found.append(PausedBy("flood", breaker.reason(), since_ms=self._flooded_ms[pool]))
        left_s = (overseer.paused_until_ns - clock.monotonic_ns()) / 1e9
        if left_s > 0:
            found.append(PausedBy("pause", f"a handler asked for it, for another {left_s:.0f} s"))
        if overseer.gate & rings.GATE_QUIET:
            found.append(PausedBy("quiet"))
        if overseer.gate & rings.GATE_STOP:
            found.append(PausedBy("stop"))
        return found

    def close(self, gate: int) -> None:
        """Close a gate of all pools."""
        for overseer in self._overseers.values():
            overseer.close_gate(gate)
            overseer.wake_all()
