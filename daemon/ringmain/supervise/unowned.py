"""Partitions that nobody owns, as scouts report them: what lasts is seen to. Pure but for the log.

errands.py enters. A settled group leaves a partition to nobody while its owner gives it away, which is over
soon, and where that owner died meanwhile, which is not: kafka.lookup.unowned says how.
"""

import logging
import math
from dataclasses import dataclass

LASTS_S = 3.0
"""Longer than giving a partition away may take (`revoke_s`): by then its owner has joined again."""
AGAIN_S, SELDOM_S = 30.0, 960.0
"""After a visit that has not helped, twice as long each time."""
_log = logging.getLogger(__name__)


@dataclass
class _Lasting:
    lasts_at_s: float
    wait_s: float = AGAIN_S
    visited_s: float = -math.inf


class Unowned:
    """Says when to look again, and whose group to visit."""

    def __init__(self, revoke_s: float) -> None:
        self._revoke_s = revoke_s
        self._lasting: dict[str, _Lasting] = {}
        self._to_visit: dict[str, None] = {}

    def seen(self, route: str, unowned: list[str], now_s: float) -> float:
        """A look at a route's group; when the next one is wanted at the latest."""
        if not unowned:
            self._lasting.pop(route, None)
            return math.inf
        lasting = self._lasting.setdefault(route, _Lasting(now_s + self._revoke_s + LASTS_S))
        due_s = max(lasting.lasts_at_s, lasting.visited_s + lasting.wait_s)
        if now_s < due_s:
            return due_s
        if lasting.visited_s > -math.inf:
            lasting.wait_s = min(SELDOM_S, 2 * lasting.wait_s)
        lasting.visited_s = now_s
        self._to_visit[route] = None
        said = {"of_route": route, "partitions": " ".join(unowned)}
        _log.warning("nobody owns partitions: the group is asked to divide them anew", extra=said)
        return now_s + lasting.wait_s

    def to_visit(self) -> str:
        """A route whose group is to be visited now; "" = none."""
        route = next(iter(self._to_visit), "")
        self._to_visit.pop(route, None)
        return route
