"""Queues in one SQLite file, for one machine and no server: the same contract as RabbitMQ's.

`connect` is the door. `sqlite3` is used in this room alone and its exceptions do not leave it.
"""

from ringmain.queues.sqlite.backend import SqliteQueues

__all__ = ["SqliteQueues"]
