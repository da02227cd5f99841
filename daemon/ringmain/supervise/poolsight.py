"""What is seen of pools, partitions and rings: counters, and for how long they have not moved.

The lookout enters at each look. Everything is read from shared memory, where feeders and handlers write it.
"""

from collections.abc import Iterator

from ringmain import clock
from ringmain.config.pools import Pool, pools
from ringmain.control import PausedBy, Ring
from ringmain.rings import Overseer, histogram_bounds_s
from ringmain.supervise.picture import PartitionSight, PoolSight
from ringmain.supervise.placesight import vitals
from ringmain.supervise.posts import Child
from ringmain.supervise.samples import Samples
from ringmain.supervise.sights import Sights
from ringmain.supervise.wellness import STILL_S, PartitionFacts, PoolFacts

SLACK_S = 2.0
"""Longest time between two glances."""
Told = tuple[str, int, int, int, int, int, int, bool]
"""As `Overseer.partitions` has it."""
USUAL_RATIO = 0.99
FULL_RATIO = 0.9
_BOUNDS_S = histogram_bounds_s()


class Pools:
    """One look at all of them."""

    def __init__(self, sights: Sights, samples: Samples, now_s: float) -> None:
        self._sights, self._samples, self._now_s = sights, samples, now_s
        self._overseers = sights.memory.overseers
        self._pools = {pool.key: pool for pool in pools(sights.memory.config) if pool.key in self._overseers}
        feeders = sights.nursery.children.of("feed")
        self._feeders = [one for one in feeders if one.booted and one.post.pool in self._pools]

    def glance(self) -> None:
        """Only what has to be seen again and again to know how long it lasts."""
        for key, overseer in self._overseers.items():
            if key in self._pools:
                self._pool_still_s(key, sum(overseer.totals()))
        for feeder, told, moved in self._told():
            for one in told:
                self._partition_still_s(feeder, one, moved)
                of = (feeder.post.pool, *one[:2])
                self._lagging_s(of, one[4] - one[2] if one[2] >= 0 else 0)
                self._commit_age_s(of, one[3], one[3] < one[2])

    # -- pools -------------------------------------------------------------------------------------------
    def pools(self) -> list[PoolSight]:
        """Each pool with its handlers."""
        return [self._pool(pool, self._overseers[key]) for key, pool in self._pools.items()]

    def _pool(self, pool: Pool, overseer: Overseer) -> PoolSight:
        totals = overseer.totals()
        self._samples.count(("outcomes", pool.key), self._now_s, totals)
        mean_s = self._mean_s(pool.key, overseer)
        rates = self._samples.rates(("outcomes", pool.key))
        return PoolSight(pool, self._pool_facts(pool, overseer, sum(totals)), totals, rates, mean_s)

    def _pool_facts(self, pool: Pool, overseer: Overseer, ended: int) -> PoolFacts:
        handlers = self._handlers(pool.key)
        still_s = self._pool_still_s(pool.key, ended)
        return PoolFacts(
            key=pool.key,
            wanted=len(self._sights.roster.of("handle", pool.key)),
            alive=len(handlers),
            stopped=sum(vitals(one.pid)[1] for one in handlers),
            busy=sum(overseer.handler(one.index)[3] > 0 for one in handlers),
            waiting=self._waiting(pool.key),
            still_s=still_s,
            usual_s=usual_s(_histogram(overseer, handlers)) if still_s > STILL_S else 0.0,
            timeout_s=pool.settings.timeout_s,
            paused=self._paused(pool.key),
        )

    def _pool_still_s(self, pool: str, ended: int) -> float:
        whole = any(one.partition is None for one in self._paused(pool))
        moves = (ended, self._waiting(pool) > 0, bool(self._handlers(pool)), whole)
        return self._samples.unchanged_s(("pool", pool), self._now_s, moves)

    def _handlers(self, pool: str) -> list[Child]:
        return [one for one in self._sights.nursery.children.of("handle", pool) if one.booted]

    def _waiting(self, pool: str) -> int:
        return sum(self._use(feeder)[3] for feeder in self._feeders if feeder.post.pool == pool)

    def _paused(self, pool: str) -> list[PausedBy]:
        asked = [one for say in self._sights.paused_by for one in say(pool)]
        return [*asked, *self._sights.gates.paused(pool)]

    def _mean_s(self, pool: str, overseer: Overseer) -> float:
        """Of the calls that ended within the window."""
        calls, busy_ns = 0, 0
        for handler in self._sights.nursery.children.of("handle", pool):
            counters = overseer.handler_counters(handler.index)
            calls += counters["calls"]
            busy_ns += counters["busy_ns"]
        self._samples.count(("calls", pool), self._now_s, (calls, busy_ns))
        _, grown = self._samples.grown(("calls", pool))
        return grown[1] / grown[0] / 1e9 if grown and grown[0] else 0.0

    # -- partitions --------------------------------------------------------------------------------------
    def partitions(self) -> list[PartitionSight]:
        """Those that this node owns."""
        found = [self._partition(feeder, one, moved) for feeder, told, moved in self._told() for one in told]
        return sorted(found, key=lambda one: (one.route, one.topic, one.partition))

    def _told(self) -> Iterator[tuple[Child, list[Told], int]]:
        for feeder in self._feeders:
            if feeder.post.source == "kafka":
                overseer = self._overseers[feeder.post.pool]
                told = overseer.partitions(feeder.index)
                yield feeder, told, self._moved(feeder, overseer) if len(told) == 1 else 0

    def _moved(self, feeder: Child, overseer: Overseer) -> int:
        """PERF: feeders tell of their partitions now and then, and count at once."""
        counters = overseer.feeder_counters(feeder.index)
        return counters["taken"] + counters["settled"]

    def _partition(self, feeder: Child, told: Told, moved: int) -> PartitionSight:
        topic, partition, position, committed, end, low_water, timestamp_ms, _ = told
        key: tuple[str, str, int] = (feeder.post.pool, topic, partition)
        self._samples.count(("settled", *key), self._now_s, (max(0, low_water),))
        self._samples.count(("end", *key), self._now_s, (max(0, end),))
        rate = self._samples.rates(("settled", *key)) or (0.0,)
        growth = self._samples.rates(("end", *key)) or (0.0,)
        return PartitionSight(
            facts=self._partition_facts(feeder, told, moved),
            route=feeder.post.pool,
            topic=topic,
            partition=partition,
            owner=feeder.title,
            position=position,
            committed=committed,
            end=end,
            low_water=low_water,
            lag_s=self._lag_s(key, end - position if position >= 0 else 0, timestamp_ms),
            rate_per_s=rate[0],
            growth_per_s=growth[0],
            ring_is_full=position < end and self._use(feeder)[2] >= FULL_RATIO,
            commit_age_s=self._commit_age_s(key, committed, committed < position),
        )

    def _partition_facts(self, feeder: Child, told: Told, moved: int) -> PartitionFacts:
        topic, partition, position, _, end, low_water, _, paused = told
        _, used, _, unclaimed = self._use(feeder)
        waits = 0 <= position < end or unclaimed > 0
        ordered = self._pools[feeder.post.pool].settings.order != "none"
        return PartitionFacts(
            pool=feeder.post.pool,
            name=f"{topic}/{partition}",
            behind=max(0, end - low_water) if waits and low_water >= 0 else 0,
            still_s=self._partition_still_s(feeder, told, moved),
            paused=paused,
            held=ordered and used > 0 and unclaimed == 0 and not self._is_busy(feeder.post.pool),
        )

    def _partition_still_s(self, feeder: Child, told: Told, moved: int) -> float:
        topic, partition, position, _, end, low_water, _, paused = told
        waits = 0 <= position < end or self._use(feeder)[3] > 0
        mark = (position, low_water, moved, waits, paused)
        key = ("partition", feeder.title, topic, partition)
        still_s = self._samples.unchanged_s(key, self._now_s, mark)
        # What was counted at once needs no telling.
        told_s = 0.0 if moved else self._sights.memory.config.commit.interval_s
        return max(0.0, still_s - told_s)

    def _is_busy(self, pool: str) -> bool:
        overseer = self._overseers[pool]
        handlers = self._sights.nursery.children.of("handle", pool)
        return any(overseer.handler(handler.index)[3] for handler in handlers)

    def _lag_s(self, key: tuple[str, str, int], behind: int, timestamp_ms: int) -> float:
        """No older than the last one taken, and not from before there was nothing left to take."""
        lagging_s = self._lagging_s(key, behind)
        was_level = self._samples.ever(("level", *key), behind <= 0)
        if behind <= 0:
            return 0.0
        if timestamp_ms < 0:
            return lagging_s
        age_s = max(0.0, clock.wall_ms() - timestamp_ms) / 1000
        return min(age_s, lagging_s + SLACK_S) if was_level else age_s

    def _lagging_s(self, key: tuple[str, str, int], behind: int) -> float:
        return self._samples.unchanged_s(("lag", *key), self._now_s, behind > 0)

    def _commit_age_s(self, key: tuple[str, str, int], committed: int, behind: bool) -> float:
        age_s = self._samples.unchanged_s(("committed", *key), self._now_s, (committed, behind))
        return age_s if behind else 0.0

    # -- rings -------------------------------------------------------------------------------------------
    def rings(self) -> list[Ring]:
        """Of each feeder."""
        return [self._ring(feeder) for feeder in self._feeders]

    def _ring(self, feeder: Child) -> Ring:
        slots, used, used_ratio, unclaimed = self._use(feeder)
        return Ring(
            feeder.post.pool, feeder.title, slots, used, round(used_ratio, 4), unclaimed, feeder.client
        )

    def _use(self, feeder: Child) -> tuple[int, int, float, int]:
        return self._overseers[feeder.post.pool].ring_use(feeder.index)


def _histogram(overseer: Overseer, handlers: list[Child]) -> list[int]:
    histograms = [overseer.handler_counters(handler.index)["histogram"] for handler in handlers]
    return [sum(column) for column in zip(*histograms, strict=True)]


def usual_s(histogram: list[int]) -> float:
    """All but a hundredth of the calls took no longer; 0 = there were none."""
    left = sum(histogram) * USUAL_RATIO
    for bound_s, many in zip(_BOUNDS_S, histogram, strict=False):
        left -= many
        if many and left <= 0:
            return bound_s
    return 0.0
