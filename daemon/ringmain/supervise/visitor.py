"""The visitor: joins a route's group for a moment, so that it divides its partitions anew, and ends.

Forked where partitions belong to nobody. It reads no message.
"""

import logging

from ringmain import lifecycle
from ringmain.seat import Seat

WELCOME_S = 15.0
NUMBER = 10_000
"""In the place of a seat's: no feeder has one so high."""

_log = logging.getLogger(__name__)


def run(seat: Seat) -> int:
    """Come and go."""
    from ringmain.kafka.properties import Member
    from ringmain.kafka.visiting import visit

    config, route = seat.config, seat.config.routes[seat.route]
    member = Member(config.name, route.name, config.node, NUMBER, "dynamic")
    if not visit(member, route.topics, route.kafka, WELCOME_S, seat.link):
        _log.warning("the group has not answered", extra={"seconds": WELCOME_S})
    return lifecycle.OK
