"""How many handlers each pool has when an operator has said so: live, and over restarts.

The loop enters at its start, an operator with `scale`, a reload with what the file says now. The last word
wins: a number that the config file gives anew is a later word than what was said before. Nothing is forked
here, posts are put on the roster or taken off.
"""

import logging

import msgspec

from ringmain import control
from ringmain.config.pools import pool_of
from ringmain.rings import SPARE_SEATS
from ringmain.supervise import kept
from ringmain.supervise.commands import Answer
from ringmain.supervise.ending import Ending
from ringmain.supervise.memory import Memory
from ringmain.supervise.posts import Post, Roster

_log = logging.getLogger(__name__)


class Scale(msgspec.Struct, frozen=True):
    """What was said, and what the file said then."""

    handlers: int
    configured: int


class Scales:
    """The pools' sizes on this node."""

    def __init__(self, memory: Memory, roster: Roster, ending: Ending) -> None:
        self._memory, self._roster, self._ending = memory, roster, ending
        self._path = kept.path_of(memory.config, "scales")
        self._scales = self._read()

    def open(self) -> None:
        """What was said before a restart holds."""
        for pool in self._pools():
            if pool in self._scales and (wanted := self.handlers_of(pool)) != self._configured(pool):
                self.bring(pool, wanted)
                _log.info("scaled, as said before", extra={"of_route": pool, "handlers": wanted})

    def handlers_of(self, pool: str) -> int:
        """As scaled; as configured when nobody scaled it, or when the file says something else since."""
        scale, configured = self._scales.get(pool), self._configured(pool)
        if scale is None or scale.configured != configured:
            return configured
        return min(scale.handlers, self.room_of(pool))

    def forget(self, pool: str) -> bool:
        """The file has the last word again; whether an operator had said something."""
        scale = self._scales.pop(pool, None)
        if scale is not None:
            self._keep()
        return scale is not None

    def room_of(self, pool: str) -> int:
        """The most handlers that the pool's ring has seats for, some kept for those that take over."""
        return self._memory.segments[pool].geometry.handlers - SPARE_SEATS

    def told(self, request: control.Scale) -> Answer:
        """An operator's wish."""
        pool, wanted = request.pool, request.handlers
        if pool not in self._memory.segments:
            return control.Refused(f"there is no pool {pool!r} here", unknown=True)
        if reason := self._reason_against(pool, wanted):
            return control.Refused(reason)
        before = len(self._roster.of("handle", pool))
        self.bring(pool, wanted)
        self._scales[pool] = Scale(wanted, self._configured(pool))
        by = {"operator": request.operator, "handlers": wanted, "before": before}
        _log.info("scaled", extra={"of_route": pool, **by})
        return control.Done(f"{pool}: {wanted} handlers, there were {before}{self._keep()}")

    def bring(self, pool: str, wanted: int) -> None:
        """Posts 0 to `wanted` - 1; who is beyond finishes what it has claimed and leaves."""
        for number in range(wanted):
            self._roster.want(Post("handle", pool, number=number))
        for place in self._roster.of("handle", pool):
            if place.post.number >= wanted:
                self._roster.drop(place.post)
                if place.child is not None:
                    self._ending.retire(place.child)

    def _reason_against(self, pool: str, wanted: int) -> str:
        if not self._ending.goes_on:
            return "the node is quiet or stopping"
        if not self._roster.of("handle", pool):
            return f"no handlers of {pool} run on this node"
        if wanted < 1:
            return f"a pool has at least one handler: pause {pool} instead"
        room = self.room_of(pool)
        if wanted > room:
            return (
                f"the ring of {pool} has room for {room} handlers: raise handlers in the config and restart"
            )
        return ""

    def _pools(self) -> list[str]:
        return sorted({place.post.pool for place in self._roster.of("handle")})

    def _configured(self, pool: str) -> int:
        return pool_of(self._memory.config, pool).handlers

    def _read(self) -> dict[str, Scale]:
        data = kept.read(self._path)
        try:
            return msgspec.json.decode(data, type=dict[str, Scale]) if data else {}
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.error(
                "kept scales are unreadable: ignored", extra={"file": str(self._path), "reason": str(error)}
            )
            return {}

    def _keep(self) -> str:
        """What there is to say about it; "" = it is kept."""
        try:
            kept.write(self._path, msgspec.json.encode(self._scales))
        except OSError as error:
            _log.error(
                "cannot be kept over a restart", extra={"file": str(self._path), "reason": error.strerror}
            )
            return f"; not over a restart: {self._path}: {error.strerror}"
        return ""
