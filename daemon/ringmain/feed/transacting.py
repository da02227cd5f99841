"""What a feeder of a transactional route does besides: its handlers commit, and it tells them in whose name.

Partitions enters, and the loop when a handler has died. LOSS: of what a dead handler was executing only that
comes again which its last transaction has not committed: first that transaction is ended, whatever it was at,
then the group is asked. Until both have happened the handler stays unresolved, and its partition waits.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ringmain import clock, outgoing
from ringmain.feed.owned import Owned
from ringmain.kafka.assignment import UNKNOWN, Partition
from ringmain.kafka.source import KafkaSource
from ringmain.rings import FeederSide, called_slot, origin_of, tell_member
from ringmain.seat import Seat

if TYPE_CHECKING:
    from ringmain.kafka.transacting import Transaction

TELL_S = 0.1
"""How often the member's word is looked at: some protocols change it without saying so."""
ASK_S = 1.0
AGAIN_S = 0.1
_log = logging.getLogger(__name__)


class Transacting:
    """Of one feeder."""

    def __init__(
        self, seat: Seat, side: FeederSide, kafka: KafkaSource, owned: Mapping[Partition, Owned]
    ) -> None:
        self._seat, self._side, self._kafka, self._owned = seat, side, kafka, owned
        self._member = b""
        self._look_s = self._again_s = 0.0
        self._fences: dict[int, Transaction] = {}
        self._floors: dict[Partition, int] = {}
        self._beyond: dict[Partition, int] = {}
        self._begun: dict[Partition, Owned] = {}
        self.going: Mapping[Partition, Owned] = {}
        """What is being given away: no longer owned, and still executing."""

    # -- the living --------------------------------------------------------------------------------------

    def tell(self) -> None:
        """In whose name offsets are sent from now on, if that is different."""
        self._look_s = clock.monotonic_s() + TELL_S
        member = self._kafka.member()
        if member and member != self._member:
            tell_member(self._side, member)
            self._member = member

    def look(self) -> None:
        """The same now and then."""
        if clock.monotonic_s() >= self._look_s:
            self.tell()

    def begin(self) -> None:
        """See the starting positions of what is newly ours committed.

        ORDER: before anything of it is placed: on its way, such a commit could come behind a transaction's.
        """
        fresh = {pair: one for pair, one in self._owned.items() if self._begun.get(pair) is not one}
        self._begun = dict(self._owned)
        starts = {pair: one.committed for pair, one in fresh.items() if one.committed >= 0}
        if not starts or self._kafka.standing(list(starts), ASK_S) == starts:
            return
        if not self._kafka.commit_now(starts, ASK_S):
            for pair in starts:  # until a commit of it is answered
                fresh[pair].resting, fresh[pair].asked = True, UNKNOWN
                fresh[pair].committed = UNKNOWN

    # -- the dead ----------------------------------------------------------------------------------------

    def known(self, handler: int) -> bool:
        """Whether it is known what stands of what this dead handler was executing here. To be asked again."""
        pairs = [
            pair
            for pair, owned in [*self._owned.items(), *self.going.items()]
            if handler in self._side.executing_seats(owned.index)
        ]
        if not pairs:
            self._fences.pop(handler, None)
            return True
        if handler not in self._fences:
            self._fences[handler] = outgoing.transaction(self._seat.config, self._seat.route, handler)
        if clock.monotonic_s() < self._again_s:
            return False
        floors = self._kafka.standing(pairs, ASK_S) if self._fences[handler].prepare() else None
        if floors is None:
            self._again_s = clock.monotonic_s() + AGAIN_S
            return False
        self._floors = floors
        del self._fences[handler]
        _log.info(
            "asked what a dead handler has committed", extra={"handler": handler, "offsets": str(floors)}
        )
        return True

    def stands(self, slot: int) -> bool:
        """Whether the slot's message is done: after known() and last_first(), of the same handler.

        LOSS: what it has committed is no further than what it was executing. A commit beyond that speaks of
        other messages: of the log before it went back, or of before an operator sent the partition back.
        """
        pair, offset = self._place(slot)
        return offset < self._floors.get(pair, -1) <= self._beyond.get(pair, math.inf)

    def last_first(self, slots: list[int]) -> list[int]:
        """ORDER: the first of a partition is published with what hangs behind it: it is decided last."""
        places = {slot: self._place(slot) for slot in slots}
        self._beyond = {pair: offset + 1 for pair, offset in sorted(places.values())}
        return sorted(slots, key=lambda slot: places[slot][1], reverse=True)

    def _place(self, slot: int) -> tuple[Partition, int]:
        message_id, _ = origin_of(self._side, slot)
        topic, partition, offset = message_id.rsplit(":", 2)
        return (topic, int(partition)), int(offset)

    def called(self, handler: int) -> int:
        """The slot whose call the handler died in, -1 = in none."""
        return called_slot(self._side, handler)
