"""Whether a node is well, and why not: pure policy over what the lookout has seen.

The picture enters. Each reason is one sentence for whoever is woken by it; `ready` marks what is only worth
knowing: a pause is wanted, a spare is wanted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ringmain.control import PausedBy, Unwell

DOWN_S = 1.5
"""A child that is replaced at once is no news; one that is not there for this long is."""
FRESH_S = 10.0
"""How long the successor of one that gave up is not trusted: it is at work before its client is tried."""
STILL_S = 2.5
"""Shortest standstill that counts; routes with slow calls are given more."""
SILENT_S = 4.0
"""Feeders and the courier beat each second, whatever they wait for."""
SPARE_S = 10.0
"""A group needs some seconds to deal out its partitions."""
ESSENTIAL = frozenset({"feed", "courier"})


@dataclass(frozen=True)
class PlaceFacts:
    """A post and who fills it."""

    title: str
    role: str
    pool: str = ""
    source: str = ""
    booted: bool = True
    age_s: float = 0.0
    down_s: float = 0.0
    """For how long nobody has been at work there, although somebody had been, or had tried."""
    looping: bool = False
    hopeless: bool = False
    """The last one could not boot, or said that its client is beyond repair."""
    last: str = ""
    """How the last one ended."""
    state: str = ""
    detail: str = ""
    silent_s: float = 0.0
    """Since its last sign of life."""
    spare_s: float = 0.0
    """For how long it has owned no partition."""


@dataclass(frozen=True)
class PoolFacts:
    """A pool's handlers and what waits for them."""

    key: str
    wanted: int
    alive: int
    stopped: int = 0
    """Handlers that are suspended (SIGSTOP, a debugger)."""
    busy: int = 0
    waiting: int = 0
    still_s: float = 0.0
    """For how long something has waited and no call has ended."""
    usual_s: float = 0.0
    """All but the slowest calls take no longer than this."""
    timeout_s: float = 30.0
    paused: list[PausedBy] = field(default_factory=list)


@dataclass(frozen=True)
class PartitionFacts:
    """A partition that this node owns."""

    pool: str
    name: str
    behind: int
    """Messages that are not settled, as far as is known."""
    still_s: float
    """For how long there was something and nothing moved."""
    paused: bool = False
    held: bool = False
    """What is in the ring waits for a time of its own: a retry that waits in place holds up its order."""


@dataclass(frozen=True)
class Facts:
    """All of a node that bears on its health."""

    state: str
    places: list[PlaceFacts] = field(default_factory=list)
    pools: list[PoolFacts] = field(default_factory=list)
    partitions: list[PartitionFacts] = field(default_factory=list)


def reasons(facts: Facts) -> list[Unwell]:
    """Everything that is wrong or worth knowing, what is wrong first."""
    found = [*_of_node(facts)]
    for place in facts.places:
        found += _of_place(place)
    for pool in facts.pools:
        found += _of_pool(pool)
    by_key = {pool.key: pool for pool in facts.pools}
    for partition in facts.partitions:
        found += of_partition(partition, by_key.get(partition.pool))
    return sorted(found, key=lambda reason: reason.ready)


def is_ready(found: list[Unwell]) -> bool:
    """Whether nothing is wrong."""
    return all(reason.ready for reason in found)


def still_limit_s(pool: PoolFacts) -> float:
    """How long nothing may end: twice what calls usually take, but no longer than one is allowed to."""
    return max(STILL_S, min(2 * pool.usual_s, pool.timeout_s))


def _of_node(facts: Facts) -> Iterator[Unwell]:
    if facts.state == "starting":
        missing = [place for place in facts.places if not place.booted]
        at_work = len(facts.places) - len(missing)
        yield Unwell(f"starting: {at_work} of {len(facts.places)} processes are at work")
    elif facts.state == "stopping":
        yield Unwell("stopping")
    elif facts.state == "quiet":
        yield Unwell("quiet: nothing new is taken, only a stop follows", ready=True)


def _of_place(place: PlaceFacts) -> Iterator[Unwell]:
    if wrong := _wrong(place):
        yield Unwell(wrong, place.pool, place.title)
    if place.state not in ("", "ok"):
        what = "the queues are away: " if _is_of_queues(place) and place.state == "unreachable" else ""
        reason = what + (place.detail or place.state)
        yield Unwell(reason, place.pool, place.title, ready=place.role not in ESSENTIAL)
    elif place.spare_s > SPARE_S and place.booted:
        yield Unwell("standby: it owns no partition", place.pool, place.title, ready=True)


def _wrong(place: PlaceFacts) -> str:
    if place.looping:
        return f"crash loop: {place.last or 'it keeps ending'}"
    if place.hopeless and (not place.booted or place.age_s < FRESH_S):
        return f"it gave up: {place.last}"
    if place.role not in ESSENTIAL:
        return ""
    if place.down_s > DOWN_S:
        return f"nobody is there for {place.down_s:.0f} s: {place.last}"
    if place.booted and place.silent_s > SILENT_S:
        return f"no sign of life for {place.silent_s:.0f} s"
    return ""


def _is_of_queues(place: PlaceFacts) -> bool:
    return place.role == "courier" or place.source == "queue"


def _of_pool(pool: PoolFacts) -> Iterator[Unwell]:
    whole = [one for one in pool.paused if one.cause not in ("quiet", "stop")]
    for one in whole:
        yield Unwell(_pause(one), route=pool.key, subject=_part(one), ready=True)
    if pool.wanted and not pool.alive:
        if pool.still_s > DOWN_S:
            waits = f" while {pool.waiting} wait" if pool.waiting else ""
            yield Unwell(f"no handler is alive{waits}", route=pool.key)
    elif pool.wanted and pool.stopped == pool.alive:
        yield Unwell(f"frozen: all {pool.alive} handlers are suspended", route=pool.key)
    elif pool.waiting and not takes_nothing(pool) and pool.still_s > still_limit_s(pool):
        yield Unwell(_frozen(pool), route=pool.key)


def _frozen(pool: PoolFacts) -> str:
    said = f"frozen: no call has ended for {pool.still_s:.0f} s while {pool.waiting} wait"
    return f"{said}; {pool.busy} of {pool.alive} handlers are in a call"


def takes_nothing(pool: PoolFacts) -> bool:
    """Whether all of the pool is paused, so that nothing needs to move."""
    return any(one.partition is None and one.source == "" and not one.topic for one in pool.paused)


def _pause(one: PausedBy) -> str:
    who = f" by {one.operator}" if one.operator else ""
    where = f" (from {one.source})" if one.source else ""
    why = f": {one.reason}" if one.reason else ""
    cause = {"operator": "", "flood": " by the flood breaker", "pause": " by a handler"}.get(one.cause, "")
    return f"paused{cause}{who}{where}{why}"


def _part(one: PausedBy) -> str:
    return f"{one.topic}/{one.partition}" if one.partition is not None else one.topic


def of_partition(partition: PartitionFacts, pool: PoolFacts | None) -> Iterator[Unwell]:
    """What there is to say of a partition: that it stands still."""
    if partition.paused or partition.behind <= 0 or pool is None or takes_nothing(pool):
        return
    if partition.still_s <= still_limit_s(pool):
        return
    if partition.held:
        reason = "a retry waits in place and holds up what is behind it"
    else:
        many = f"{partition.behind} message{'s' if partition.behind != 1 else ''}"
        reason = f"stands still: nothing has moved for {partition.still_s:.0f} s, {many} behind"
    yield Unwell(reason, partition.pool, partition.name, ready=partition.held)
