"""A process that uses the queues and is killed at a named point.

`python -m support.queue_victim BACKEND ADDRESS ACT POINT` prints the point's name when it stands there and
waits for its end. Points that begin with `sql:` are statements of SQLite by their first words, not yet run.
"""

import sqlite3
import sys

from ringmain.queues.sqlite import schema
from support.queue_backends import BACKENDS, READY, message, take

MESSAGES = 50


def stand(point: str, wanted: str) -> None:
    """Say that this point is reached, and never go on."""
    if point == wanted:
        print(point, flush=True)
        sys.stdin.read()
        sys.exit(1)


def stand_at_statement(wanted: str) -> None:
    """Stand before the first statement that begins so."""
    connect = schema.connect

    def traced(path: object) -> sqlite3.Connection:
        connection = connect(path)  # type: ignore[arg-type]
        connection.set_trace_callback(
            lambda sql: stand(f"sql:{wanted}", f"sql:{wanted}") if sql.startswith(wanted) else None
        )
        return connection

    schema.connect = traced


def main(backend: str, address: str, act: str, point: str) -> None:
    """Publish, or take and ack, up to the point."""
    if point.startswith("sql:"):
        stand_at_statement(point.removeprefix("sql:"))
    queues = BACKENDS[backend](address)
    if act == "publish":
        publisher = queues.publisher()
        publisher.publish([(READY, message(number)) for number in range(MESSAGES)])
        stand("published", point)
        confirmed = 0
        while confirmed < MESSAGES:
            publisher.pump()
            confirmed += len(publisher.settled().confirmed)
        stand("confirmed", point)
    else:
        taker = queues.taker([READY])
        held = take(taker, MESSAGES)
        stand("taken", point)
        taker.ack([delivery.tag for delivery in held[: MESSAGES // 2]])
        taker.pump()
        stand("half acked", point)


if __name__ == "__main__":
    main(*sys.argv[1:])
