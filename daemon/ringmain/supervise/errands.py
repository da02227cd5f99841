"""When who is sent out: the scout to Kafka, a visitor to a group, the clerk to the dead set.

The loop enters at each turn, and with what the scout saw. How many feeders follow from that is staff.py's.
"""

import math

from ringmain.config.schema import Config
from ringmain.lifecycle import Scouted
from ringmain.supervise.filling import Filling
from ringmain.supervise.nursery import Nursery
from ringmain.supervise.posts import Post
from ringmain.supervise.staff import Staff
from ringmain.supervise.unowned import Unowned

SCOUT_S = 30.0
VISITOR_S = 30.0
CLERK_S = 900.0
EXPIRE_EVERY_S = 600.0
OFTEN_S = 2.0


class Errands:
    """Sends one of a kind at a time."""

    def __init__(self, config: Config, nursery: Nursery, filling: Filling, staff: Staff) -> None:
        self._nursery, self._filling, self._staff = nursery, filling, staff
        self.adopt(config)

    def adopt(self, config: Config) -> None:
        """Go by this config from now on."""
        self._expire_every_s = expire_every_s(config)
        self._expire_due_s = math.inf if config.dead.keep_s is None else 0.0
        self._unowned = Unowned(config.revoke_s)

    def scouted(self, report: Scouted, now_s: float) -> None:
        """Look again where partitions belong to nobody, and see to it."""
        if not report.reason:
            self._staff.scout_by(self._unowned.seen(report, now_s))

    def send(self, now_s: float) -> None:
        """Whoever is due goes."""
        children = self._nursery.children
        if now_s >= self._staff.scout_due_s and not children.of("scout"):
            self._staff.scout_left(now_s)
            self._filling.errand(Post("scout"), SCOUT_S)
        if not children.of("visitor") and (route := self._unowned.to_visit()):
            self._filling.errand(Post("visitor", route), VISITOR_S)
        if now_s >= self._expire_due_s and not children.of("clerk"):
            self._expire_due_s = now_s + self._expire_every_s
            self._filling.errand(Post("clerk"), CLERK_S)


def expire_every_s(config: Config) -> float:
    """How often the dead set is looked at for what is older than `dead.keep_s`: to a tenth of it."""
    return max(OFTEN_S, min(EXPIRE_EVERY_S, (config.dead.keep_s or math.inf) / 10))
