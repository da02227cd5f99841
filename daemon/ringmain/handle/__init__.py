"""The handler role: ring in, the user's code, verdict out.

The supervisor's fork enters by `run`. A handler talks to nobody but the ring and its supervisor: no Kafka, no
queues, no disk. Payloads are never logged.
"""

from ringmain.handle.role import run

__all__ = ["run"]
