"""Messages out of the queue file: each held by one taker, back at once when that taker dies.

A queue feeder holds one. What a taker holds is marked with its number in the file; the number is worth as
much as the lock that its process holds (locks.py). A sleeping taker is woken by wake.py at a publish, by its
own timeout at the next due time, and looks now and then in case a wake was lost.
"""

import sqlite3
from collections.abc import Sequence

from ringmain.clock import monotonic_s, wall_ms
from ringmain.queues import frames, names
from ringmain.queues.contract import Away, Delivery, Tag
from ringmain.queues.envelope import UNREADABLE, Envelope, Foreign, Packed, decode
from ringmain.queues.sqlite import rows, schema
from ringmain.queues.sqlite.lease import Lease
from ringmain.queues.sqlite.store import Store
from ringmain.queues.sqlite.wake import Bell, Watch

_LOOK_S = 2.0
_LOOK_DEAF_S = 0.04
_TAKE_BYTES = 8 << 20


class SqliteTaker:
    """contract.Taker over one connection of its own."""

    def __init__(self, store: Store, queues: Sequence[str]) -> None:
        self._store = store
        self._queues = list(queues)
        self._lease = Lease(store.lock_path)
        self._watch: Watch | None = None
        self._bell = Bell(store.folder)
        self._acks: list[Tag] = []
        self._returns: list[Tag] = []
        self._held: set[Tag] = set()
        self._hold: int | None = None
        self._next_due_ms: int | None = None
        self._is_stale = True
        self._data_version = -1
        self._next_look_s = 0.0

    def take(self, limit: int) -> list[Delivery]:
        """One short transaction when something is due, none otherwise; settles acks on its way."""
        if limit <= 0 or not self.ready():
            return []
        return self._transact(limit if self._hold is None else min(limit, self._hold - len(self._held)))

    def hold(self, deliveries: int) -> None:
        """Only a number: nothing is prefetched from a file."""
        self._hold = deliveries

    def ready(self) -> bool:
        """Is something due, and may it be held? Asks the file only when something may have changed."""
        if self._hold is not None and len(self._held) >= self._hold:
            return False
        if self._is_stale and self._watch is not None:
            self._refresh()
        return self._is_stale or (self._next_due_ms is not None and self._next_due_ms <= wall_ms())

    def ack(self, tags: Sequence[Tag]) -> None:
        """Forgotten with the next take or pump, whichever comes first."""
        self._acks.extend(tags)
        self._held.difference_update(tags)

    def give_back(self, tags: Sequence[Tag]) -> None:
        """Free with the next take or pump, whichever comes first."""
        self._returns.extend(tags)
        self._held.difference_update(tags)

    def pump(self) -> None:
        """Hear what happened, look if it is time, settle what was acked."""
        published, ended = self._heard()
        self._is_stale |= published
        if ended:
            self._lease.look_soon(monotonic_s())
        if self._acks or self._returns:
            self._transact(0)
        if monotonic_s() >= min(self._next_look_s, self._lease.next_look_s):
            self._look()

    def fileno(self) -> int | None:
        """Readable when a message was published or a taker ended."""
        return self._watch.fileno() if self._watch else None

    def timeout_s(self) -> float | None:
        """Until the next due time, the next look, or the end of the backoff while away."""
        if self._store.away is not None:
            return self._store.wait_s()
        if self._acks or self._returns:
            return 0.0
        wait_s = min(self._next_look_s, self._lease.next_look_s) - monotonic_s()
        if self._next_due_ms is not None and self._next_due_ms > wall_ms():
            wait_s = min(wait_s, (self._next_due_ms - wall_ms()) / 1000)
        return max(0.0, wait_s)

    def away(self) -> Away | None:
        """Why the last transaction failed."""
        return self._store.away

    def close(self) -> None:
        """Settle what was acked, give back the rest."""
        if self._lease.number is not None:
            self._store.write(self._leave, None)
            self._bell.ring(self._queues)
        self._store.close()
        self._lease.close()
        if self._watch:
            self._watch.close()

    def _heard(self) -> tuple[bool, bool]:
        """As Watch.drain; all may have happened before there is a watch, or when its files were deleted."""
        published, ended = self._watch.drain() if self._watch else (True, True)
        if self._watch and self._watch.is_broken:
            self._watch.close()
            self._watch = None
        return published, ended

    def _refresh(self) -> None:
        """PERF: a read, so that a publish of what is due in an hour costs no write transaction."""
        found = self._store.read(lambda connection: (self._earliest(connection),), None)
        if found is not None:
            self._is_stale, (self._next_due_ms,) = False, found

    def _transact(self, limit: int) -> list[Delivery]:
        """LOSS: acks are durable. A lease need not be: after a power cut its taker is gone as well."""
        acks, returns = self._acks, self._returns
        durable = bool(acks)
        taken = self._store.write(lambda connection: self._work(connection, limit), None, durable)
        if taken is None:
            return []
        self._acks, self._returns = self._acks[len(acks) :], self._returns[len(returns) :]
        if returns:
            self._bell.ring(self._queues)
        self._held.update(row.id for row in taken)
        return [Delivery(row.id, row.queue, _opened(row)) for row in taken]

    def _work(self, connection: sqlite3.Connection, limit: int) -> list[rows.Taken]:
        number = self._enter(connection)
        rows.forget(connection, number, self._acks)
        rows.free(connection, number, self._returns)
        taken: list[rows.Taken] = []
        for queue in self._queues if limit else ():
            wanted = rows.Wanted(
                self._store.queue_id(connection, queue), queue, limit - len(taken), _TAKE_BYTES
            )
            taken += rows.claim(connection, number, wanted, wall_ms())
        self._queues = self._queues[1:] + self._queues[:1]
        self._next_due_ms, self._is_stale = self._earliest(connection), False
        return taken

    def _enter(self, connection: sqlite3.Connection) -> int:
        if self._watch is None:
            self._watch = Watch(self._store.folder, self._queues, self._store.lock_path)
        return self._lease.ensure(connection)

    def _leave(self, connection: sqlite3.Connection) -> None:
        assert self._lease.number is not None
        rows.forget(connection, self._lease.number, self._acks)
        rows.free_all(connection, self._lease.number)

    def _earliest(self, connection: sqlite3.Connection) -> int | None:
        found = [
            rows.earliest_ms(connection, self._store.queue_id(connection, queue)) for queue in self._queues
        ]
        return min((due_ms for due_ms in found if due_ms is not None), default=None)

    def _look(self) -> None:
        """See by ourselves: did anybody commit, is a taker dead, is inotify still there?"""
        deaf = self._watch is None or self._watch.is_deaf
        self._next_look_s = monotonic_s() + (_LOOK_DEAF_S if deaf else _LOOK_S)
        version = self._store.read(lambda connection: schema.pragma(connection, "data_version"), None)
        if version is None:
            return
        if version != self._data_version or self._lease.number is None:
            self._data_version = version
            self._is_stale = True
        if self._lease.is_time(monotonic_s()) and self._store.read(self._lease.has_dead_peers, False):
            self._store.write(self._lease.bury_peers, None, False)
            self._is_stale = True


def _opened(row: rows.Taken) -> Envelope | Packed | Foreign:
    """LOSS: what cannot be opened (of a later ringmain, or damaged) goes on as it is, to the dead set."""
    if names.parse(row.queue).kind == "overflow":
        return Packed(row.body, frames.count(row.body))
    try:
        return decode(row.body)
    except UNREADABLE as error:
        return Foreign(row.body, [], f"the queue file holds it, and it cannot be opened: {error}")
