"""The offsets of a feeder's partitions on their way to Kafka: which were asked to be committed, which stand.

Partitions enters, with what it owns. How far each partition may be committed says the ring's low water, and
nobody else. Only `last` waits for a broker.
"""

import logging
import math

from ringmain import clock
from ringmain.feed.owned import Owned
from ringmain.kafka.assignment import Partition
from ringmain.kafka.source import KafkaSource
from ringmain.rings import FeederSide

LAST_S = 5.0
"""For the last commit, however often it is tried."""
EMPTY_S = 10.0
"""Beside transactions: so long what is settled may be uncommitted while the ring is never empty."""
_ONCE_MORE_S = 0.5
_AGAIN_S = 0.05

_log = logging.getLogger(__name__)


class Commits:
    """What was asked of Kafka and what it has answered."""

    def __init__(
        self, kafka: KafkaSource, side: FeederSide, interval_s: float, *, transactional: bool = False
    ) -> None:
        self._kafka, self._side = kafka, side
        self._transactional = transactional
        self._interval_s = interval_s
        self._due_s = 0.0
        self._last_by_s = math.inf
        self._refusal = ""

    # -- asked, by the clock -------------------------------------------------------------------------------

    def send(self, partitions: dict[Partition, Owned], now_s: float) -> bool:
        """Ask for what was not asked for yet, if it is time. True = it was."""
        if now_s < self._due_s:
            return False
        self._due_s = now_s + self._interval_s
        if self._transactional:
            for owned in partitions.values():
                self._watch(owned, now_s)
        new = {pair: owned for pair, owned in partitions.items() if self._is_new(owned)}
        offsets = {pair: self._low(owned) for pair, owned in new.items() if self._may_commit(owned)}
        for pair, low in offsets.items():
            partitions[pair].asked = low
            partitions[pair].resting = self._transactional
        self._kafka.commit(offsets)
        return True

    def wait_s(self, partitions: dict[Partition, Owned]) -> float:
        """Until something is to be asked for; infinite when there is nothing."""
        new = any(map(self._is_new, partitions.values()))
        return self._due_s - clock.monotonic_s() if new else math.inf

    def answered(
        self, partitions: dict[Partition, Owned], offsets: dict[Partition, int], refusal: str
    ) -> None:
        """Kafka's word on a commit."""
        for pair, offset in offsets.items():
            owned = partitions.get(pair)
            if owned is None:
                continue
            # LOSS: where nothing is known to stand, what stands may be of before it was sent back.
            owned.resting = owned.resting and bool(refusal) and owned.committed < 0
            if refusal:
                owned.asked = owned.committed
            elif offset <= owned.asked:  # not of a log that has gone back since
                owned.committed = max(owned.committed, offset)
        if refusal and refusal != self._refusal:
            _log.warning("a commit was refused, it is tried again", extra={"reason": refusal})
        self._refusal = refusal

    # -- the end -------------------------------------------------------------------------------------------

    def hurry(self) -> None:
        """Nothing follows any more: from now on ask at once, and wait for LAST_S in all."""
        if self._last_by_s == math.inf:
            self._due_s, self._interval_s = 0.0, _AGAIN_S
            self._last_by_s = clock.monotonic_s() + LAST_S

    def done(self, partitions: dict[Partition, Owned]) -> bool:
        """After hurry(): whether all that is settled stands, or that was waited for in vain."""
        return not self._open(partitions) or clock.monotonic_s() >= self._last_by_s

    def last(self, partitions: dict[Partition, Owned]) -> None:
        """All that is not known to stand: what was only asked for is refused if a rebalance comes first."""
        offsets = self._open(partitions)
        left_s = self._last_by_s - clock.monotonic_s()
        stands = self._kafka.commit_now(offsets, min(LAST_S, max(_ONCE_MORE_S, left_s)))
        for pair, low in offsets.items():
            partitions[pair].asked = low
            if stands:
                partitions[pair].committed = low

    # -- helpers -------------------------------------------------------------------------------------------

    def _open(self, partitions: dict[Partition, Owned]) -> dict[Partition, int]:
        lows = {pair: self._low(owned) for pair, owned in partitions.items() if self._may_commit(owned)}
        return {pair: low for pair, low in lows.items() if low > max(partitions[pair].committed, -1)}

    # -- beside transactions -------------------------------------------------------------------------------

    def _may_commit(self, owned: Owned) -> bool:
        """ORDER: a commit of ours that came behind a transaction's would take it back. So there is none while
        anything of the partition is in the ring, and nothing is placed before its answer.
        """
        return not self._transactional or self._side.in_flight(owned.index) == 0

    def _watch(self, owned: Owned, now_s: float) -> None:
        """Where the ring is never empty and no transaction commits, it is to be emptied once."""
        if not self._is_new(owned):
            owned.behind_since_s = math.inf
        owned.behind_since_s = min(owned.behind_since_s, now_s)
        if now_s - owned.behind_since_s > EMPTY_S:
            owned.resting = True

    def known(self, owned: Owned) -> int:
        """How far it is committed, as far as is known: what transactions did, they have committed."""
        return self._low(owned) if self._transactional else owned.committed

    def _is_new(self, owned: Owned) -> bool:
        return self._low(owned) > max(owned.asked, -1)

    def _low(self, owned: Owned) -> int:
        return self._side.low_water(owned.index)
