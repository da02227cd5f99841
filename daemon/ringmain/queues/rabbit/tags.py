"""Which deliveries are settled, and the fewest acks that say so. Pure.

The taker enters. RabbitMQ counts deliveries from 1 in each life of a channel; here they count on over all of
them, so that a tag of an earlier life is never mistaken for one of this. LOSS: a multiple ack speaks for
everything below it, so it is only made up to the first delivery that is not settled.
"""

from collections.abc import Iterable
from typing import NamedTuple


class Ack(NamedTuple):
    """The broker's own number of this life, and whether all below are meant as well."""

    number: int
    multiple: bool


class Tags:
    """The deliveries of one taker."""

    def __init__(self) -> None:
        self._before = 0
        self._last = 0
        self._lowest = 1
        self._told: set[int] = set()

    @property
    def held(self) -> int:
        """Deliveries that are not settled."""
        return self._last - self._lowest + 1 - len(self._told)

    def tag(self, number: int) -> int:
        """The taker's tag of the delivery that the broker calls `number`."""
        self._last = max(self._last, number)
        return self._before + number

    def new_life(self) -> None:
        """The channel is gone: what was held belongs to others again."""
        self._before += self._last
        self._last, self._lowest = 0, 1
        self._told.clear()

    def numbers(self, tags: Iterable[int]) -> list[int]:
        """The broker's numbers of those that are held in this life."""
        lowest, last, told, before = self._lowest, self._last, self._told, self._before
        known = (tag - before for tag in tags)
        return [number for number in known if lowest <= number <= last and number not in told]

    def ack(self, tags: Iterable[int]) -> list[Ack]:
        """The acks for these, which are settled from now on."""
        news = set(self.numbers(tags))
        if not news:
            return []
        newest = 0
        while self._lowest in news or self._lowest in self._told:
            if self._lowest in news:
                newest = self._lowest
                news.discard(newest)
            self._told.discard(self._lowest)
            self._lowest += 1
        self._told |= news
        acks = [Ack(newest, True)] if newest else []
        return acks + [Ack(number, False) for number in sorted(news)]

    def give_back(self, tags: Iterable[int]) -> list[int]:
        """The broker's numbers of these, which are not ours any more."""
        numbers = sorted(set(self.numbers(tags)))
        self._told.update(numbers)
        while self._lowest in self._told:
            self._told.discard(self._lowest)
            self._lowest += 1
        return numbers
