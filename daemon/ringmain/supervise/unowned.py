"""Partitions that nobody owns, as scouts report them: what lasts is seen to. Pure but for the log.

errands.py enters. A settled group leaves a partition to nobody while its owner gives it away, which is over
soon, and where that owner died meanwhile, which is not: kafka.lookup.unowned says how.
"""

import logging
import math
from dataclasses import dataclass

from ringmain.lifecycle import Scouted

LASTS_S = 3.0
"""Longer than giving a partition away may take (`revoke_s`): by then its owner has joined again."""
TURN_S = 20.0
"""Each node of the group sees it: one after another they visit, as long as it has not helped."""
AGAIN_S, MOST_VISITS = 30.0, 3
"""After a visit that has not helped, twice as long each time; then something else is wrong ..."""
SAY_S = 600.0
"""... and it is said only, so often."""
_log = logging.getLogger(__name__)


@dataclass
class _Lasting:
    partitions: set[str]
    due_s: float
    visits: int = 0


class Unowned:
    """Says when to look again, and whose group to visit."""

    def __init__(self, revoke_s: float) -> None:
        self._revoke_s = revoke_s
        self._lasting: dict[str, _Lasting] = {}
        self._to_visit: dict[str, None] = {}

    def seen(self, report: Scouted, now_s: float) -> float:
        """A look at a route's group; when the next one is wanted at the latest."""
        route, unowned = report.route, set(report.unowned)
        lasting = self._lasting.get(route)
        if lasting is None or not lasting.partitions & unowned:  # others: they are being moved
            self._to_visit.pop(route, None)
            self._lasting.pop(route, None)
            if not unowned:
                return math.inf
            due_s = now_s + self._revoke_s + LASTS_S + TURN_S * report.nodes_before
            lasting = self._lasting[route] = _Lasting(unowned, due_s)
        lasting.partitions &= unowned
        if now_s >= lasting.due_s:
            self._see_to(route, lasting, now_s)
        return lasting.due_s

    def _see_to(self, route: str, lasting: _Lasting, now_s: float) -> None:
        said = {"of_route": route, "partitions": " ".join(sorted(lasting.partitions))}
        lasting.due_s = now_s + AGAIN_S * 2**lasting.visits
        if lasting.visits < MOST_VISITS:
            lasting.visits += 1
            self._to_visit[route] = None
            _log.warning("nobody owns partitions: the group is asked to divide them anew", extra=said)
        else:
            lasting.due_s = now_s + SAY_S
            _log.error("nobody owns partitions, and the group does not divide them anew", extra=said)

    def to_visit(self) -> str:
        """A route whose group is to be visited now; "" = none."""
        route = next(iter(self._to_visit), "")
        self._to_visit.pop(route, None)
        return route
