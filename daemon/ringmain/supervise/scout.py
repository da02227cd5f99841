"""The scout: asks Kafka how many partitions and live nodes each route has, reports, and ends.

Forked at the start, after an assignment and now and then, so that the supervisor needs no client. It joins no
group and reads no message.
"""

from ringmain import lifecycle
from ringmain.config.schema import Config, Route
from ringmain.lifecycle import Scouted
from ringmain.seat import Seat

ANSWER_S = 10.0


def run(seat: Seat) -> int:
    """Report on each route whose number of feeders follows the partitions."""
    for route in seat.config.routes.values():
        if route.consumers is None:
            seat.link.send(_scout(seat.config, route))
    return lifecycle.OK


def _scout(config: Config, route: Route) -> Scouted:
    from ringmain.kafka import lookup

    seen = lookup.survey(config, route, ANSWER_S)
    return Scouted(route.name, seen.partitions, seen.nodes, seen.reason)
