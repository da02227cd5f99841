"""What a child of the demo says on its stdout: lines of JSON, of which only the newest counts.

processes.py enters. A child that is slow or gone is never waited for, except for its very first word.
"""

import os
import select
from typing import Generic, TypeVar

import msgspec

from ringmain.errors import RingmainError

Report = TypeVar("Report")
_CHUNK = 1 << 16


class Reports(Generic[Report]):
    """The reading end, and the newest report so far."""

    def __init__(self, whose: str, first: Report) -> None:
        self.newest = first
        self._whose = whose
        self._decode = msgspec.json.Decoder(type(first)).decode
        self._pipe = -1
        self._unread = b""

    def begin(self, pipe: int) -> None:
        """Read from this descriptor, which stays its owner's."""
        self._pipe = pipe
        os.set_blocking(pipe, False)

    def wait(self) -> None:
        """Until it has said anything."""
        select.select([self._pipe], [], [])
        self.look()

    def look(self) -> Report:
        """The newest report; RingmainError if there will be no more."""
        while self._read():
            pass
        return self.newest

    def _read(self) -> bool:
        try:
            arrived = os.read(self._pipe, _CHUNK)
        except BlockingIOError:
            return False
        if not arrived:
            raise RingmainError(f"the demo's {self._whose} ended by itself")
        *lines, self._unread = (self._unread + arrived).split(b"\n")
        if lines:
            self.newest = self._decode(lines[-1])
        return True
