"""The scout: asks Kafka how many partitions and live nodes each route has, who owns what, and how large
its messages may be, reports, and ends.

Forked at the start, after an assignment and now and then, so that the supervisor needs no client. It joins no
group and reads no message.
"""

import contextlib
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ringmain import lifecycle
from ringmain.config.schema import Config, Route
from ringmain.errors import RingmainError
from ringmain.lifecycle import Scouted
from ringmain.seat import Seat

if TYPE_CHECKING:
    from ringmain.kafka.lookup import Lookup

MOST_NAMED = 20
"""Of the partitions that nobody owns: there is one such, or a great many."""


def run(seat: Seat) -> int:
    """Report on each route."""
    for route in seat.config.routes.values():
        report = _scout(seat.config, route)
        if not seat.link.send(report):  # thousands of partitions: who owns them is what can be left out
            seat.link.send(replace(report, members={}))
    return lifecycle.OK


def _scout(config: Config, route: Route) -> Scouted:
    from ringmain.kafka.lookup import Lookup

    lookup = Lookup(route.kafka)
    with contextlib.closing(lookup):
        try:
            return _look(lookup, config, route)
        except RingmainError as refused:
            return Scouted(route.name, reason=str(refused))


def _look(lookup: "Lookup", config: Config, route: Route) -> Scouted:
    from ringmain.kafka.lookup import foreigners, live_nodes, shares, unowned

    counts = lookup.partition_counts(route.topics)
    group = lookup.group()
    nodes = live_nodes(group.client_ids, config.name, route.name) | {config.node}
    limit_bytes = lookup.message_limit_bytes(counts)
    members = shares(group, config.name, route.name)
    ours = config.node in members and not foreigners(group.client_ids, config.name, route.name)
    lost = [f"{topic}/{partition}" for topic, partition in unowned(group, counts)] if ours else []
    seen = Scouted(route.name, sum(counts.values()), len(nodes), limit_bytes, members=members)
    before = sum(node < config.node for node in members)
    return replace(seen, unowned=lost[:MOST_NAMED], nodes_before=before)
