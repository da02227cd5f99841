"""What is published and not confirmed: by the broker's own count, oldest first. Pure.

The publisher enters. LOSS: a number leaves as safe only by the broker's ack; one that the broker returned,
refused or never answered leaves as lost, and its message is published again.
"""

from typing import NamedTuple

from ringmain.queues.contract import Ticket


class Sent(NamedTuple):
    """One message under way."""

    ticket: Ticket
    queue: str
    body_bytes: int
    size_bytes: int


class Flight:
    """Messages between publish and confirm on one life of a channel."""

    def __init__(self) -> None:
        self._sent: dict[int, Sent] = {}
        self._doomed: set[int] = set()
        self._lowest = 1
        self._last = 0
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._sent)

    def add(self, sent: Sent) -> None:
        """The next one on the channel: confirms count publishes from 1."""
        self._last += 1
        self._sent[self._last] = sent
        self.size_bytes += sent.size_bytes

    def doom(self, queue: str) -> None:
        """One for this queue came back. Which one is not said, so all of it that are open go again."""
        self._doomed.update(number for number, sent in self._sent.items() if sent.queue == queue)

    def confirm(self, number: int, multiple: bool) -> tuple[list[Sent], list[Sent]]:
        """Those that this confirm speaks of: (as it says, doomed)."""
        first = self._lowest if multiple else number
        spoken: list[Sent] = []
        doomed: list[Sent] = []
        for one in range(first, min(number, self._last) + 1):
            sent = self._sent.pop(one, None)
            if sent is not None:
                self.size_bytes -= sent.size_bytes
                if one in self._doomed:
                    self._doomed.discard(one)
                    doomed.append(sent)
                else:
                    spoken.append(sent)
        if multiple:
            self._lowest = max(self._lowest, number + 1)
        return spoken, doomed

    def land(self) -> list[Sent]:
        """The channel is gone: all that was under way; the count begins anew."""
        left = list(self._sent.values())
        self.__init__()  # type: ignore[misc]
        return left
