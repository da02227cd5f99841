"""What each address shows of the node's picture: pure, one function a view.

endpoints.py names them. The shapes are part of the contract with whoever asks over HTTP: fields are added,
never renamed.
"""

from typing import Any

import msgspec

from ringmain.control import Node, Partition, PausedBy, Peer, Pool, Process, Queue, Ring, Unwell


class RouteState(msgspec.Struct, frozen=True):
    """A route on this node, its channels with it."""

    route: str
    lag: int
    """Messages behind, over the partitions that this node owns."""
    lag_s: float
    partitions: int
    rate_per_s: float
    """Calls that ended well, a second."""
    paused: list[PausedBy]
    pools: list[Pool]


class Status(msgspec.Struct, frozen=True):
    """The node in short."""

    name: str
    node: str
    version: str
    pid: int
    modes: list[str]
    state: str
    ready: bool
    reasons: list[Unwell]
    started_at_ms: int
    uptime_s: float
    queues_away: str
    processes: dict[str, int]
    """State -> how many."""
    restarts: int
    routes: list[RouteState]
    queues: list[Queue]
    peers: list[str]


class Ready(msgspec.Struct, frozen=True):
    """Whether the node does its work; with `ready`, reasons are what one should know all the same."""

    ready: bool
    state: str
    reasons: list[Unwell]


class Alive(msgspec.Struct, frozen=True):
    """Whether the supervisor beats, and since when it did not."""

    alive: bool
    beat_s: float


class Routes(msgspec.Struct, frozen=True):
    """All routes."""

    routes: list[RouteState]


class Processes(msgspec.Struct, frozen=True):
    """All processes; `restarts` is `role pool cause` -> how often."""

    processes: list[Process]
    restarts: dict[str, int]


class Partitions(msgspec.Struct, frozen=True):
    """The partitions that this node owns."""

    partitions: list[Partition]


class Rings(msgspec.Struct, frozen=True):
    """The rings of its feeders."""

    rings: list[Ring]


class QueueDepths(msgspec.Struct, frozen=True):
    """The queues of `name`; `away` = why they cannot be looked at."""

    queues: list[Queue]
    away: str


class Nodes(msgspec.Struct, frozen=True):
    """This node first, then the others of this name."""

    nodes: list[Peer]


def picture(node: Node) -> Node:
    """All of it."""
    return node


def status(node: Node) -> Status:
    """In short."""
    states: dict[str, int] = {}
    for process in node.processes:
        states[process.state] = states.get(process.state, 0) + 1
    shared: dict[str, Any] = {
        name: getattr(node, name)
        for name in Status.__struct_fields__
        if name not in ("processes", "restarts", "routes", "peers")
    }
    return Status(
        **shared,
        processes=states,
        restarts=sum(node.restarts.values()),
        routes=_routes(node),
        peers=[peer.node for peer in node.peers],
    )


def ready(node: Node) -> Ready:
    """Whether it is ready, and what there is to know."""
    return Ready(node.ready, node.state, node.reasons)


def routes(node: Node) -> Routes:
    """Its routes."""
    return Routes(_routes(node))


def processes(node: Node) -> Processes:
    """Its processes."""
    return Processes(node.processes, node.restarts)


def partitions(node: Node) -> Partitions:
    """Its partitions."""
    return Partitions(node.partitions)


def rings(node: Node) -> Rings:
    """Its rings."""
    return Rings(node.rings)


def queues(node: Node) -> QueueDepths:
    """Its queues."""
    return QueueDepths(node.queues, node.queues_away)


def nodes(node: Node) -> Nodes:
    """Itself and its peers."""
    own: dict[str, list[str]] = {}
    for one in node.partitions:
        own.setdefault(one.route, []).append(f"{one.topic}/{one.partition}")
    return Nodes([Peer(node.node, own, heard_s=0.0), *node.peers])


def _routes(node: Node) -> list[RouteState]:
    names = dict.fromkeys([pool.route for pool in node.pools] + [one.route for one in node.partitions])
    return [_route(node, name) for name in names]


def _route(node: Node, route: str) -> RouteState:
    pools = [pool for pool in node.pools if pool.route == route]
    partitions = [one for one in node.partitions if one.route == route]
    return RouteState(
        route=route,
        lag=sum(max(0, one.lag) for one in partitions),
        lag_s=max((one.lag_s for one in partitions), default=0.0),
        partitions=len(partitions),
        rate_per_s=sum(pool.rates_per_s.get("done", 0.0) for pool in pools),
        paused=[cause for pool in pools if not pool.channel for cause in pool.paused],
        pools=pools,
    )
