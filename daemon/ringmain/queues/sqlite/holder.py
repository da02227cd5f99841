"""Who has the dead set in hand: a lock on a file beside the queue file, with the holder's name in it.

A hold takes one. The lock belongs to an open descriptor: the kernel lets it go however its process ends, so
nobody is locked out by the dead. The name is worth something only while the lock is held.
"""

import socket
from pathlib import Path

import msgspec

from ringmain.clock import wall_ms
from ringmain.errors import DeadSetBusy, QueuesAway
from ringmain.queues.contract import Holder
from ringmain.queues.entry import iso
from ringmain.queues.envelope import UNREADABLE
from ringmain.queues.sqlite.locks import LockFile

_HOLD = 0
_UNNAMED = Holder("somebody who has just taken it", socket.gethostname(), 0)


class HolderLock:
    """Held from its making to its close; DeadSetBusy when another has it."""

    def __init__(self, path: Path, who: str) -> None:
        self._path = path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._locks = self._held()
            path.write_bytes(msgspec.json.encode(Holder(who, socket.gethostname(), wall_ms())))
        except OSError as error:
            raise QueuesAway(f"the lock file {path}: {error.strerror}: see its owner") from None

    def close(self) -> None:
        """Others may have it."""
        self._locks.close()

    def _held(self) -> LockFile:
        while True:
            locks = LockFile(self._path)
            if not locks.try_hold(_HOLD):
                locks.close()
                raise _busy(self._path)
            if locks.is_current():
                return locks
            locks.close()  # deleted between our opening and locking it: another may hold the new one


def _busy(path: Path) -> DeadSetBusy:
    try:
        holder = msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, *UNREADABLE):  # it is between lock and name
        holder = _UNNAMED
    return DeadSetBusy(holder.who, holder.host, iso(holder.since_ms or wall_ms()))
