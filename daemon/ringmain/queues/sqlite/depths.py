"""How much is in each queue of the file, and since when: one statement over rows that hold no bodies.

Backend and control enter, each by a Store of its own.
"""

import sqlite3

from ringmain.clock import wall_ms
from ringmain.queues import names
from ringmain.queues.contract import Depth

_DEPTHS = """
SELECT q.route, q.channel, q.kind, CASE WHEN m.due_ms > :now THEN m.delay_s ELSE 0 END AS step,
       count(*), count(m.taker), min(CASE WHEN m.taker IS NULL THEN m.due_ms END)
FROM message m JOIN queue q ON q.id = m.queue WHERE q.app = :app GROUP BY 1, 2, 3, 4
UNION ALL
SELECT q.route, q.channel, q.kind, 0, count(*), 0, min(d.dead_ms)
FROM dead d JOIN queue q ON q.id = d.queue WHERE q.app = :app GROUP BY 1, 2, 3
"""


def count(connection: sqlite3.Connection, app: str) -> dict[str, Depth]:
    """Every queue of the app that holds something."""
    counted = connection.execute(_DEPTHS, {"now": wall_ms(), "app": app}).fetchall()
    return dict(_depth(app, *row) for row in counted)


def _depth(app: str, *row: object) -> tuple[str, Depth]:
    route, channel, kind, step, messages, held, oldest_ms = row
    oldest = int(str(oldest_ms)) if oldest_ms is not None else None
    place = names.Place(
        app, str(route), str(channel), names.kind_of(str(kind), int(str(step))), int(str(step))
    )
    if step and oldest is not None:
        oldest -= int(str(step)) * 1000
    return names.of(place), Depth(int(str(messages)), int(str(held)), oldest)
