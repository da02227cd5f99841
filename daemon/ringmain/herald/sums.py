"""Depths of queues become what an operator looks at: ready, delay, dead, overflow of each pool. Pure."""

from collections.abc import Iterator, Mapping

from ringmain.config.pools import key_of
from ringmain.control import Queue
from ringmain.queues import names
from ringmain.queues.contract import Depth

MOST = 1000
"""Rows in one report: the fullest, should there be more."""


def summed(depths: Mapping[str, Depth], now_ms: int) -> list[Queue]:
    """One row for each pool and kind that holds something; the oldest of a delay is that of all its steps."""
    rows: dict[tuple[str, str], tuple[int, int | None]] = {}
    for (pool, kind), depth in _placed(depths):
        messages, oldest_ms = rows.get((pool, kind), (0, None))
        known = [one for one in (oldest_ms, depth.oldest_ms) if one is not None]
        rows[pool, kind] = (messages + depth.messages, min(known, default=None))
    found = [
        Queue(pool, kind, messages, None if oldest_ms is None else max(0.0, (now_ms - oldest_ms) / 1000))
        for (pool, kind), (messages, oldest_ms) in rows.items()
    ]
    return sorted(found, key=lambda queue: (-queue.messages, queue.pool, queue.queue))[:MOST]


def _placed(depths: Mapping[str, Depth]) -> Iterator[tuple[tuple[str, str], Depth]]:
    for queue, depth in depths.items():
        place = names.parse(queue)
        yield (key_of(place.route, place.channel), place.kind), depth
