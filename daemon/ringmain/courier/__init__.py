"""Verdicts out of the rings, into the queues: one process per node.

roles.py enters by `run`. Nothing is settled here that the queues have not confirmed, and nothing is dropped.

    rings --take--> letters (what goes where) --publish--> queues --confirmed--> ack --> rings
"""

from ringmain.courier.loop import run

__all__ = ["run"]
