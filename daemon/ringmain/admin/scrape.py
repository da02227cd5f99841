"""/metrics: the node's picture and the counters in shared memory, as Prometheus reads them.

The site enters at each scrape. Counters are read where handlers count them, so nobody is asked, locked or
slowed down; a partition has series at its owner only, since the picture has no others.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from ringmain import meters, rings
from ringmain.admin.release import release
from ringmain.config.pools import place_of
from ringmain.config.schema import Config
from ringmain.control import Client, Node, Process
from ringmain.meters import Meter
from ringmain.rings import Overseer, Segment

CONTENT_TYPE = CONTENT_TYPE_LATEST
CAUSES = ("operator", "flood", "pause", "quiet", "stop")
"""Each has a series, so that an alert sees it end."""
_SIDES = (meters.TAKEN, meters.SETTLED, meters.LATE, meters.OVERSIZE)
_SUMS = (
    "claims", "claimed", "busy_ns", "waiting_ns", "decoding_ns", "committed", "aborted", "transacting_ns",
)  # fmt: skip
_NS = 1e9

Labels = tuple[str, ...]
Samples = Iterable[tuple[Labels, float]]
Family = GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily


class Scrape(Collector):
    """One scrape."""

    def __init__(self, counters: "Counters", node: Node | None, beat_s: float) -> None:
        self._counters, self._node, self._beat_s = counters, node, beat_s

    def collect(self) -> Iterator[Family]:
        """All families."""
        yield _family(meters.SUPERVISOR_UP, [((), float(self._node is not None))])
        yield _family(meters.BEAT_AGE, [((), self._beat_s)])
        yield from self._counters.families()
        if self._node is not None:
            yield from _of_node(self._node)
            yield from _of_pools(self._node)
            yield from _of_partitions(self._node)
            yield from _of_rings(self._node)
            yield from _of_clients(self._node)
            yield from _of_queues(self._node)
            yield from _of_processes(self._node)

    def text(self) -> bytes:
        """As it is sent."""
        registry = CollectorRegistry()
        registry.register(self)
        return bytes(generate_latest(registry))

    def describe(self) -> list[Family]:
        """Nothing beforehand: registering must not scrape."""
        return []


class Counters:
    """What handlers and feeders count in the segments of this node."""

    def __init__(self, config: Config, segments: Mapping[str, Segment]) -> None:
        self._info = config.name, config.node, release()
        self._pools: dict[str, tuple[Segment, Overseer]] = {
            key: (segment, segment.overseer()) for key, segment in segments.items()
        }
        self._bounds = [*(f"{bound:.10g}" for bound in rings.histogram_bounds_s()[:-1]), "+Inf"]

    def families(self) -> Iterator[Family]:
        """Each with a sample a pool."""
        yield _family(meters.BUILD_INFO, [(self._info, 1.0)])
        of_handlers = {key: self._of_handlers(key) for key in self._pools}
        of_feeders = {key: self._of_feeders(key) for key in self._pools}
        yield _family(meters.CLAIMS, _picked(of_handlers, "claims"))
        yield _family(meters.CLAIMED, _picked(of_handlers, "claimed"))
        for meter, name in zip(_SIDES, ("taken", "settled", "late", "oversize"), strict=True):
            yield _family(meter, _picked(of_feeders, name))
        of_couriers = {key: overseer.courier_counters() for key, (_, overseer) in self._pools.items()}
        yield _family(meters.PUBLISHED, _picked(of_couriers, "carried"))
        yield _family(meters.TIME, _parts(of_handlers, of_couriers))
        yield from _transactions(of_handlers)
        yield self._durations(of_handlers)

    def _of_handlers(self, key: str) -> dict[str, Any]:
        segment, overseer = self._pools[key]
        total: dict[str, Any] = dict.fromkeys(_SUMS, 0)
        total["histogram"] = [0] * len(self._bounds)
        for seat in range(segment.geometry.handlers):
            counters = overseer.handler_counters(seat)
            if not counters["claims"]:
                continue
            for name in _SUMS:
                total[name] += counters[name]
            total["histogram"] = list(map(int.__add__, total["histogram"], counters["histogram"]))
        return total

    def _of_feeders(self, key: str) -> dict[str, int]:
        segment, overseer = self._pools[key]
        total: dict[str, int] = {}
        for seat in range(segment.geometry.feeders):
            for name, count in overseer.feeder_counters(seat).items():
                total[name] = total.get(name, 0) + count
        return total

    def _durations(self, of_handlers: dict[str, dict[str, Any]]) -> Family:
        meter = meters.DURATION
        family = HistogramMetricFamily(meter.name, meter.help, labels=meter.labels)
        for key, counters in of_handlers.items():
            cumulative, buckets = 0, []
            for bound, count in zip(self._bounds, counters["histogram"], strict=True):
                cumulative += count
                buckets.append((bound, cumulative))
            family.add_metric(place_of(key), buckets, counters["busy_ns"] / _NS)
        return family


def _of_node(node: Node) -> Iterator[Family]:
    unwell: dict[Labels, float] = {("",): 0.0}
    for reason in node.reasons:
        if not reason.ready:
            unwell[reason.route,] = unwell.get((reason.route,), 0.0) + 1
    yield _family(meters.READY, [((), float(node.ready))])
    yield _family(meters.UNWELL, unwell.items())
    yield _family(meters.START_TIME, [((), node.started_at_ms / 1000)])
    yield _family(meters.QUEUES_UP, [((), float(not node.queues_away))])
    yield _family(meters.PEERS, [((), float(len(node.peers)))])


def _of_pools(node: Node) -> Iterator[Family]:
    pools = [(place_of(pool.key), pool) for pool in node.pools]
    yield _family(
        meters.MESSAGES,
        [((*of, word), float(count)) for of, pool in pools for word, count in pool.outcomes.items()],
    )
    yield _family(meters.HANDLERS, [(of, float(pool.handlers)) for of, pool in pools])
    yield _family(meters.HANDLERS_ALIVE, [(of, float(pool.alive)) for of, pool in pools])
    yield _family(meters.HANDLERS_BUSY, [(of, float(pool.busy)) for of, pool in pools])
    paused: dict[Labels, float] = {(*of, cause): 0.0 for of, _ in pools for cause in CAUSES}
    for of, pool in pools:
        paused |= {(*of, why.cause): 1.0 for why in pool.paused if why.partition is None and not why.source}
    yield _family(meters.PAUSED, paused.items())


def _of_partitions(node: Node) -> Iterator[Family]:
    owned = [((one.route, one.topic, str(one.partition)), one) for one in node.partitions]

    def known(value: Callable[[Any], float]) -> Samples:
        """-1 = not known yet: no sample rather than a wrong one."""
        return [(of, value(one)) for of, one in owned if value(one) >= 0]

    yield _family(meters.LAG, known(lambda one: one.lag))
    yield _family(meters.LAG_SECONDS, known(lambda one: one.lag_s))
    yield _family(meters.POSITION, known(lambda one: one.position))
    yield _family(meters.COMMITTED, known(lambda one: one.committed))
    yield _family(meters.END, known(lambda one: one.end))
    yield _family(meters.AHEAD, known(lambda one: one.ahead))
    yield _family(meters.COMMIT_AGE, known(lambda one: one.commit_age_s))
    yield _family(meters.STANDING, known(lambda one: float(one.state == "standing")))


def _of_rings(node: Node) -> Iterator[Family]:
    held = [((*place_of(ring.pool), ring.feeder), ring) for ring in node.rings]
    yield _family(meters.RING_USED_RATIO, [(of, ring.used_ratio) for of, ring in held])
    yield _family(meters.RING_SLOTS, [(of, float(ring.slots)) for of, ring in held])
    yield _family(meters.RING_USED, [(of, float(ring.used)) for of, ring in held])
    yield _family(meters.RING_UNCLAIMED, [(of, float(ring.unclaimed)) for of, ring in held])


def _of_clients(node: Node) -> Iterator[Family]:
    told = [((*place_of(ring.pool), ring.feeder), ring.client) for ring in node.rings if ring.client]
    for meter, value in _CLIENTS:
        yield _family(meter, [(of, float(value(client))) for of, client in told])


_CLIENTS: tuple[tuple[Meter, Callable[[Client], float]], ...] = (
    (meters.KAFKA_CONNECTIONS, lambda client: client.connections),
    (meters.KAFKA_RTT, lambda client: client.rtt_s),
    (meters.KAFKA_THROTTLED, lambda client: client.throttled_s),
    (meters.KAFKA_WAITING, lambda client: client.waiting),
    (meters.KAFKA_REQUESTS, lambda client: client.requests),
    (meters.KAFKA_RETRIES, lambda client: client.retries),
    (meters.KAFKA_TIMEOUTS, lambda client: client.timeouts),
    (meters.KAFKA_ERRORS, lambda client: client.errors),
    (meters.KAFKA_DISCONNECTS, lambda client: client.disconnects),
    (meters.KAFKA_SENT, lambda client: client.sent_bytes),
    (meters.KAFKA_RECEIVED, lambda client: client.received_bytes),
    (meters.KAFKA_FETCHED, lambda client: client.fetched_messages),
    (meters.KAFKA_FETCHED_BYTES, lambda client: client.fetched_bytes),
    (meters.KAFKA_REBALANCES, lambda client: client.rebalances),
)


def _of_queues(node: Node) -> Iterator[Family]:
    depth: dict[Labels, float] = {}
    oldest: dict[Labels, float] = {}
    for queue in node.queues:  # the steps of the delay ladder are one
        of = (*place_of(queue.pool), queue.queue)
        depth[of] = depth.get(of, 0.0) + queue.messages
        if queue.oldest_s is not None:
            oldest[of] = max(oldest.get(of, 0.0), queue.oldest_s)
    yield _family(meters.QUEUE_MESSAGES, depth.items())
    yield _family(meters.QUEUE_OLDEST, oldest.items())


def _of_processes(node: Node) -> Iterator[Family]:
    restarts: dict[Labels, float] = {}
    for said, count in node.restarts.items():
        role, pool, cause = said.split(" ", 2)
        restarts[role, *place_of("" if pool == "-" else pool), cause] = float(count)
    yield _family(meters.RESTARTS, restarts.items())
    there = [process for process in node.processes if process.pid]
    yield _family(meters.MEMORY, [(_labels(one), float(one.rss_bytes)) for one in there])
    yield _family(meters.AGE, [(_labels(one), one.age_s) for one in there])
    states: dict[Labels, float] = {}
    for one in node.processes:
        of = (one.role, *place_of(one.pool), one.state)
        states[of] = states.get(of, 0.0) + 1
    yield _family(meters.PROCESSES, states.items())


def _labels(process: Process) -> Labels:
    return (process.role, *place_of(process.pool), process.title)


def _parts(of_handlers: Mapping[str, Any], of_couriers: Mapping[str, Any]) -> Iterator[tuple[Labels, float]]:
    """What a call took is its decoding's and its handling's; the shares are measured, the sum is exact."""
    for key, counters in of_handlers.items():
        decoding_ns = min(counters["decoding_ns"], counters["busy_ns"])
        parts = {
            "waiting": counters["waiting_ns"],
            "decoding": decoding_ns,
            "handling": counters["busy_ns"] - decoding_ns,
            "publishing": of_couriers[key]["carrying_ns"],
        }
        yield from (((*place_of(key), part), ns / _NS) for part, ns in parts.items())


def _transactions(of_handlers: Mapping[str, Any]) -> Iterator[Family]:
    """Series of those pools alone that have any."""
    having = {key: each for key, each in of_handlers.items() if each["committed"] + each["aborted"]}
    ends = [
        ((*place_of(key), end), float(each[end]))
        for key, each in having.items()
        for end in ("committed", "aborted")
    ]
    yield _family(meters.TRANSACTIONS, ends)
    yield _family(
        meters.TRANSACTION_SECONDS,
        [(place_of(key), each["transacting_ns"] / _NS) for key, each in having.items()],
    )


def _picked(of: Mapping[str, Mapping[str, Any]], name: str) -> Samples:
    return [(place_of(key), float(counters.get(name, 0))) for key, counters in of.items()]


def _family(meter: Meter, samples: Samples) -> Family:
    kind = CounterMetricFamily if meter.kind == "counter" else GaugeMetricFamily
    family = kind(meter.name, meter.help, labels=meter.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family
