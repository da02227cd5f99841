"""One queue of a queue feeder: what was taken of it and has no place in the ring yet, what is to be acked.

The queue source enters, with one Inbox for the ready queue and one for the overflow queue: each is asked for
as much as it may hold, so that neither crowds out the other. Nothing is decided here about the ring.
"""

from collections import deque
from collections.abc import Callable, Iterable

from ringmain.feed.hand import Hand, Piece
from ringmain.queues.contract import Taker

AT_ONCE = 512


class Inbox:
    """A taker and what came of it."""

    def __init__(self, taker: Taker, hand: Hand, messages_each: int) -> None:
        """`messages_each`: what one delivery may bring."""
        self.taker = taker
        self.hand = hand
        self.pending: deque[Piece] = deque()
        self._each = messages_each
        self._hold = 0

    def fetch(self, allowed: int, room: int) -> None:
        """Take more, as long as what may be in hand and what fits in the ring say so."""
        self._expect(allowed)
        wanted = min(AT_ONCE, allowed - self.hand.messages, room - len(self.pending))
        if wanted <= 0:
            return
        for delivery in self.taker.take(-(-wanted // self._each)):
            self.pending += self.hand.add(delivery)

    def place(self, place: Callable[[Piece], bool], limit: int) -> int:
        """Place up to `limit` of what is pending; how many."""
        placed = 0
        while placed < limit and self.pending and place(self.pending[0]):
            self.hand.begin(self.pending.popleft().number)
            placed += 1
        return placed

    def settle(self, numbers: Iterable[int]) -> None:
        """Ack the deliveries that are finished by this."""
        if tags := self.hand.settled([number for number in numbers if self.hand.holds(number)]):
            self.taker.ack(tags)

    def give_back(self) -> None:
        """What nobody has begun is others' at once; the rest of what was begun stays pending."""
        self.taker.give_back(self.hand.drop_unbegun())
        self.pending = deque(piece for piece in self.pending if self.hand.holds(piece.number))
        self.taker.pump()

    def _expect(self, allowed: int) -> None:
        hold = 2 + allowed // self._each  # the next one is there before the last is finished
        if hold != self._hold:
            self._hold = hold
            self.taker.hold(hold)
