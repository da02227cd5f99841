"""Messages into the queue file, many in one transaction: the commit is their confirm.

The courier holds one. `publish` only collects; `pump` commits all that was collected, so what arrives while
the disk syncs goes into the next transaction together.
"""

import sqlite3
from collections.abc import Sequence

from ringmain.clock import wall_ms
from ringmain.queues import names
from ringmain.queues.contract import Away, Settled, Ticket
from ringmain.queues.envelope import Envelope, Packed, encode
from ringmain.queues.filters import short_class
from ringmain.queues.sqlite.store import Store, home
from ringmain.queues.sqlite.wake import Bell

WINDOW = 4096
_PROBE = 64
_BODY = "INSERT INTO body (id, envelope) VALUES (?, ?)"
_MESSAGE = "INSERT INTO message (id, queue, delay_s, due_ms, size_bytes) VALUES (?, ?, ?, ?, ?)"
_DEAD = (
    'INSERT INTO dead (id, queue, topic, partition, "offset", key, error_class, error_name, dead_ms) '
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


Message = tuple[Ticket, str, Envelope | Packed]


class SqlitePublisher:
    """contract.Publisher over one connection of its own."""

    limit_bytes = 256 << 20

    def __init__(self, store: Store) -> None:
        self._store = store
        self._bell = Bell(store.folder)
        self._last_ticket = 0
        self._pending: list[Message] = []
        self._confirmed: list[Ticket] = []
        self._lost: list[Ticket] = []

    def room(self) -> int:
        """A full window, a few to try with once an absence may be over, or nothing."""
        if self._store.away is None:
            return max(0, WINDOW - len(self._pending))
        return max(0, _PROBE - len(self._pending)) if self._store.wait_s() == 0 else 0

    def publish(self, batch: Sequence[tuple[str, Envelope | Packed]]) -> list[Ticket]:
        """Collect for the next transaction."""
        first = self._last_ticket + 1
        self._last_ticket += len(batch)
        tickets = list(range(first, self._last_ticket + 1))
        self._pending += [
            (ticket, queue, envelope) for ticket, (queue, envelope) in zip(tickets, batch, strict=True)
        ]
        return tickets

    def pump(self) -> None:
        """Commit what was collected. LOSS: confirmed only behind a synced commit, lost otherwise."""
        if not self._pending:
            self._try_again()
            return
        pending, self._pending = self._pending, []
        tickets = [ticket for ticket, _, _ in pending]
        if self._store.write(lambda connection: self._insert(connection, pending), False):
            self._confirmed += tickets
            self._bell.ring({home(queue) for _, queue, _ in pending})
        else:
            self._lost += tickets

    def settled(self) -> Settled:
        """What the last transactions settled."""
        settled = Settled(self._confirmed, self._lost, [])
        self._confirmed, self._lost = [], []
        return settled

    def made(self) -> list[str]:
        """Nothing: all that is in a file is seen."""
        return []

    def fileno(self) -> int | None:
        """A file is written, not waited on."""
        return None

    def timeout_s(self) -> float | None:
        """Now with something collected; at the end of the backoff while away."""
        if self._store.away is not None:
            return self._store.wait_s()
        return 0.0 if self._pending else None

    def away(self) -> Away | None:
        """Why the last transaction failed."""
        return self._store.away

    def close(self) -> None:
        """Let the file go; what is pending was never confirmed."""
        self._store.close()

    def _try_again(self) -> None:
        """With nothing to publish, an absence ends with the first write that succeeds."""
        if self._store.away is not None:
            self._store.write(_touch, None)

    def _insert(self, connection: sqlite3.Connection, batch: list[Message]) -> bool:
        first_id = _reserve(connection, len(batch))
        now_ms = wall_ms()
        bodies, messages, dead = [], [], []
        for row_id, (_, queue, envelope) in enumerate(batch, first_id):
            place, queue_id, body = (
                names.parse(queue),
                self._store.queue_id(connection, queue),
                envelope.body if isinstance(envelope, Packed) else encode(envelope),
            )
            bodies.append((row_id, body))
            if place.kind == "dead" and isinstance(envelope, Envelope):
                dead.append(_dead_row(row_id, queue_id, envelope))
            else:
                due_ms = now_ms + place.delay_s * 1000
                messages.append((row_id, queue_id, place.delay_s, due_ms, len(body)))
        connection.executemany(_BODY, bodies)
        connection.executemany(_MESSAGE, messages)
        connection.executemany(_DEAD, dead)
        return True


def _reserve(connection: sqlite3.Connection, count: int) -> int:
    """The first of `count` ids that nobody else gets."""
    statement = "UPDATE counter SET next = next + ? RETURNING next"
    return int(connection.execute(statement, (count,)).fetchone()[0]) - count


def _touch(connection: sqlite3.Connection) -> None:
    _reserve(connection, 1)


def _dead_row(row_id: int, queue_id: int, envelope: Envelope) -> tuple[object, ...]:
    return (
        *(row_id, queue_id, envelope.topic, envelope.partition, envelope.offset, envelope.key),
        *(envelope.error_class, short_class(envelope.error_class), envelope.failed_ms),
    )
