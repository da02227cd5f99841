"""The clerk of a running node: removes what has been dead for longer than `dead.keep_s`, and ends.

Forked now and then by the supervisor, which waits for no queue itself. Every node has one; the hold lets only
one act at a time, and who comes second finds nothing left to do. Queues that are away are tried the next
time.
"""

import contextlib
import logging

from ringmain import lifecycle
from ringmain.clerk.actions import delete
from ringmain.clerk.job import Task, Watcher, carry_out
from ringmain.clerk.orders import Order
from ringmain.clerk.records import Ledger, Record
from ringmain.clock import wall_ms
from ringmain.errors import RingmainError
from ringmain.queues.connect import connect
from ringmain.queues.contract import DeadSet
from ringmain.queues.filters import Filter
from ringmain.seat import Seat

log = logging.getLogger(__name__)


def run(seat: Seat) -> int:
    """One round."""
    config = seat.config
    if config.dead.keep_s is None:
        return lifecycle.OK
    before_ms = wall_ms() - int(config.dead.keep_s * 1000)
    try:
        with contextlib.closing(connect(config).dead_set()) as dead_set:
            expire(dead_set, Ledger(config.state_dir), f"dead.keep_s of node {config.node}", before_ms)
    except RingmainError as error:
        log.debug("dead entries were not looked at", extra={"reason": str(error)})
    return lifecycle.OK


def expire(dead_set: DeadSet, ledger: Ledger, who: str, before_ms: int) -> Record | None:
    """Remove what died before that; None when there is nothing, which the oldest entry tells."""
    oldest = dead_set.read(Filter(), 1)
    if oldest and not oldest[0].envelope.failed_ms:  # nobody knows its age: the oldest of the others
        oldest = dead_set.read(Filter(until_ms=before_ms), 1)
    if not oldest or oldest[0].envelope.failed_ms >= before_ms:
        return None
    order = Order(action="expire", chosen=Filter(until_ms=before_ms), who=who)
    task = Task(order, delete, dead_set.mark(), total=0)
    return carry_out(task, dead_set, ledger, Watcher())
