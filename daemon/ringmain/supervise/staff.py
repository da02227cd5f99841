"""How many Kafka feeders each route has: asks the scout, follows its word one seat at a time.

The loop enters with the scout's reports, with assignments and at every round. Only posts are put on or taken
off the roster here; forking and telling are the loop's.
"""

import logging
import math
from dataclasses import dataclass

from ringmain.config.schema import Config, Route
from ringmain.lifecycle import Scouted
from ringmain.supervise import seats
from ringmain.supervise.lineup import takes_kafka
from ringmain.supervise.memory import Memory
from ringmain.supervise.nag import Nag
from ringmain.supervise.posts import Post, Roster

RESCOUT_S = 60.0
RESCOUT_UNTOLD_S = 30.0
"""group.protocol=consumer tells a member only what is different for itself, not that a node has come."""
RETRY_S = 5.0
DEBOUNCE_S = 1.0
_log = logging.getLogger(__name__)


@dataclass
class _Staffing:
    route: Route
    room: int
    target: int
    scouted: bool = False
    changed_s: float = -math.inf


class Staff:
    """The Kafka feeders of all routes, as posts."""

    def __init__(self, config: Config, memory: Memory, roster: Roster) -> None:
        self._roster = roster
        self._nag = Nag()
        self._memory = memory
        self._routes: dict[str, _Staffing] = {}
        self._adopt_routes(config)

    def _adopt_routes(self, config: Config) -> list[_Staffing]:
        """Know the config's routes; those that are new."""
        routes = config.routes if takes_kafka(config) else {}
        new = []
        for name in [name for name in self._routes if name not in routes]:
            del self._routes[name]
        for name, route in routes.items():
            if name not in self._routes:
                staffing = _Staffing(route, self._memory.kafka_room(name), route.consumers or 1)
                self._routes[name] = staffing
                new.append(staffing)
            self._aim_anew(self._routes[name], route)
        self.scout_due_s = 0.0 if self._routes else math.inf
        untold = any(one.route.kafka.get("group.protocol") == "consumer" for one in self._routes.values())
        self._rescout_s = RESCOUT_UNTOLD_S if untold else RESCOUT_S
        return new

    def _aim_anew(self, staffing: _Staffing, route: Route) -> None:
        staffing.route = route
        if route.consumers is not None:
            staffing.target = min(route.consumers, staffing.room)

    def begin(self) -> None:
        """The first feeders: the configured number, or one while the scout learns how many."""
        for staffing in self._routes.values():
            self._begin(staffing)

    def _begin(self, staffing: _Staffing) -> None:
        target = seats.wanted(staffing.route.consumers, 1, 1, staffing.room)
        for change in seats.all_changes((), target):
            self._roster.want(_post(staffing.route.name, change.seat))

    def adopt(self, config: Config) -> None:
        """Go by this config from now on; routes that are new get their first feeders, and all are scouted."""
        for staffing in self._adopt_routes(config):
            self._begin(staffing)

    def scout_left(self, now_s: float) -> None:
        """A scout is under way; the next one when this one has nothing to add."""
        self.scout_due_s = now_s + self._rescout_s if self._routes else math.inf

    def assigned(self, now_s: float) -> None:
        """The group has moved: look again when it has settled."""
        self.scout_by(now_s + DEBOUNCE_S)

    def scout_by(self, due_s: float) -> None:
        """Look again then at the latest."""
        self.scout_due_s = min(self.scout_due_s, due_s)

    def scouted(self, report: Scouted, now_s: float) -> None:
        """Take the scout's word on one route."""
        staffing = self._routes.get(report.route)
        if staffing is None:
            return
        subject = report.route
        if report.reason:
            self.scout_by(now_s + RETRY_S)
            if self._nag.due(subject, report.reason, now_s):
                _log.warning("cannot ask kafka", extra={"of_route": subject, "reason": report.reason})
            return
        if self._nag.over(subject):
            _log.info("kafka answers again", extra={"of_route": subject})
        self._memory.learn_message_limit(report.route, report.message_limit_bytes)
        self._aim(staffing, report)

    def _aim(self, staffing: _Staffing, report: Scouted) -> None:
        target = seats.wanted(staffing.route.consumers, report.partitions, report.nodes, staffing.room)
        if target != staffing.target or not staffing.scouted:
            seen = {"partitions": report.partitions, "nodes": report.nodes, "feeders": target}
            _log.info("feeders wanted", extra={"of_route": report.route, **seen})
        staffing.target = target
        if not staffing.scouted:
            staffing.scouted = True
            for change in seats.all_changes(self._filled(report.route), target):
                self._roster.want(_post(report.route, change.seat))

    def step(self, now_s: float) -> list[Post]:
        """Bring each route one seat nearer to its number; the posts returned have to be given up."""
        retired = []
        for name, staffing in self._routes.items():
            if now_s - staffing.changed_s < seats.SETTLE_S:
                continue
            change = seats.next_change(self._filled(name), staffing.target)
            if change is None:
                continue
            staffing.changed_s = now_s
            post = _post(name, change.seat)
            if change.grow:
                self._roster.want(post)
            else:
                self._roster.drop(post)
                retired.append(post)
        return retired

    def _filled(self, route: str) -> set[int]:
        return {place.post.number for place in self._roster.of("feed", route, "kafka")}


def _post(route: str, seat: int) -> Post:
    return Post("feed", route, "kafka", seat)
