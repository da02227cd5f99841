"""The picture of a node, put together from what the lookout has seen: pure.

The lookout enters. Words and figures are control.py's; whether the node is well is wellness.py's to say.
"""

from dataclasses import dataclass, field

from ringmain import control
from ringmain.config.pools import Pool
from ringmain.control import Partition, Peer, Process, Queue, Ring
from ringmain.supervise import wellness
from ringmain.supervise.samples import Totals
from ringmain.supervise.wellness import Facts, PartitionFacts, PlaceFacts, PoolFacts

OUTCOMES = ("done", "skip", "retry", "dead", "channel")
"""In the order of `Overseer.totals`."""


@dataclass(frozen=True)
class PoolSight:
    """A pool and what its handlers have done."""

    pool: Pool
    facts: PoolFacts
    totals: tuple[int, ...]
    rates: Totals
    """Per second, as the totals; empty = not known yet."""
    mean_s: float


@dataclass(frozen=True)
class PartitionSight:
    """A partition as its feeder told last."""

    facts: PartitionFacts
    route: str
    topic: str
    partition: int
    owner: str
    position: int
    committed: int
    end: int
    low_water: int
    lag_s: float
    rate_per_s: float
    """Of settling."""
    growth_per_s: float
    """Of the partition itself."""
    ring_is_full: bool = False
    commit_age_s: float = 0.0


@dataclass(frozen=True)
class Identity:
    """Who the node is."""

    name: str
    node: str
    version: str
    pid: int
    modes: list[str]
    started_at_ms: int


@dataclass(frozen=True)
class View:
    """All that was seen at one moment."""

    identity: Identity
    state: str
    uptime_s: float
    places: list[PlaceFacts]
    processes: list[Process]
    pools: list[PoolSight]
    partitions: list[PartitionSight]
    rings: list[Ring]
    restarts: dict[str, int]
    queues: list[Queue] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)


def paint(view: View) -> control.Node:
    """The picture."""
    one = view.identity
    reasons = wellness.reasons(facts_of(view))
    return control.Node(
        name=one.name,
        node=one.node,
        version=one.version,
        pid=one.pid,
        modes=one.modes,
        started_at_ms=one.started_at_ms,
        uptime_s=round(view.uptime_s, 3),
        state=view.state,
        ready=wellness.is_ready(reasons),
        reasons=reasons,
        processes=view.processes,
        pools=[_pool(sight) for sight in view.pools],
        partitions=[_partition(sight, view) for sight in view.partitions],
        rings=view.rings,
        queues=view.queues,
        peers=view.peers,
        queues_away=_queues_away(view.places),
        restarts=view.restarts,
    )


def facts_of(view: View) -> Facts:
    """What of it bears on health."""
    return Facts(
        view.state,
        view.places,
        [sight.facts for sight in view.pools],
        [sight.facts for sight in view.partitions],
    )


def _queues_away(places: list[PlaceFacts]) -> str:
    away = (place for place in places if place.state == "unreachable")
    of_queues = (place for place in away if place.role in ("courier", "herald") or place.source == "queue")
    return next((place.detail or "no reason is known" for place in of_queues), "")


def _pool(sight: PoolSight) -> control.Pool:
    rates = sight.rates or (0.0,) * len(OUTCOMES)
    return control.Pool(
        key=sight.pool.key,
        route=sight.pool.route,
        channel=sight.pool.channel,
        order=sight.pool.settings.order,
        handlers=sight.facts.wanted,
        alive=sight.facts.alive,
        busy=sight.facts.busy,
        outcomes=dict(zip(OUTCOMES, sight.totals, strict=True)),
        rates_per_s={name: round(rate, 3) for name, rate in zip(OUTCOMES, rates, strict=True)},
        mean_s=sight.mean_s,
        paused=sight.facts.paused,
    )


def _partition(sight: PartitionSight, view: View) -> Partition:
    lag = max(0, sight.end - sight.committed) if sight.end >= 0 and sight.committed >= 0 else 0
    return Partition(
        route=sight.route,
        topic=sight.topic,
        partition=sight.partition,
        owner=sight.owner,
        position=sight.position,
        committed=sight.committed,
        end=sight.end,
        lag=lag,
        lag_s=round(sight.lag_s, 3),
        rate_per_s=round(sight.rate_per_s, 3),
        eta_s=eta_s(lag, sight.rate_per_s - sight.growth_per_s),
        state=_state(sight, view),
        ahead=max(0, sight.position - sight.low_water) if sight.low_water >= 0 else 0,
        commit_age_s=round(sight.commit_age_s, 3),
    )


def eta_s(lag: int, nearer_per_s: float) -> float | None:
    """Until the lag is gone at this pace; None = never."""
    if lag <= 0:
        return 0.0
    return round(lag / nearer_per_s, 1) if nearer_per_s > 0 else None


def _state(sight: PartitionSight, view: View) -> str:
    pool = next(one.facts for one in view.pools if one.facts.key == sight.facts.pool)
    if any(place.title == sight.owner and place.state == "unreachable" for place in view.places):
        return "unreachable"  # what is known of it is what was true last
    if sight.facts.paused or wellness.takes_nothing(pool):
        return "paused"
    if any(wellness.of_partition(sight.facts, pool)):
        return "standing"
    return "waiting" if sight.ring_is_full else "running"
