"""A process that acts on the dead set and is killed at a named point.

`python -m support.dead_victim BACKEND ADDRESS POINT` prints the point's name when it stands there and waits
for its end. `sql:` points are statements of SQLite by their first words, not yet run.
"""

import sys
from collections.abc import Callable
from typing import Any

from ringmain.queues.filters import Filter
from support.queue_backends import BACKENDS
from support.queue_victim import stand, stand_at_statement

REPLAYED = 20


def stand_before(owner: type, name: str, point: str, wanted: str) -> None:
    """Stand where `owner.name` is called."""
    called: Callable[..., Any] = getattr(owner, name)

    def standing(*arguments: Any) -> Any:
        stand(point, wanted)
        return called(*arguments)

    setattr(owner, name, standing)


def main(backend: str, address: str, point: str) -> None:
    """Replay a batch, up to the point."""
    if point.startswith("sql:"):
        stand_at_statement(point.removeprefix("sql:"))
    elif backend != "sqlite":
        from ringmain.queues.rabbit.outbox import Outbox
        from ringmain.queues.rabbit.scan import Scan

        stand_before(Outbox, "send", "before publish", point)
        stand_before(Scan, "ack", "after confirm", point)
        stand_before(Scan, "release", "before give back", point)
    hold = BACKENDS[backend](address).dead_set().hold("the victim")
    stand("held", point)
    for batch in hold.pick(Filter(), at_once=REPLAYED):
        stand("picked", point)
        hold.replay(batch)
        stand("replayed", point)
        break
    hold.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
