"""Which parts of which routes operators have paused: a map that nodes merge, the last word wins.

Pausing enters with its own operators' words and with those of other nodes. Pure: no gate, no file, no clock.
What was resumed stays in the map, so that an older pause from a node that was away does not come back.
"""

from collections.abc import Iterable
from typing import Annotated

import msgspec

from ringmain.control import Source

Name = Annotated[str, msgspec.Meta(max_length=1024)]
Stamp = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]

Key = tuple[str, str, int, Source, str]


class Word(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an operator said last of one part of a route."""

    route: Name
    """A pool's key: a route, or one of its channels."""
    paused: bool
    at_ms: Stamp
    topic: Name = ""
    partition: Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)] | None = None
    source: Source = ""
    node: Name = ""
    operator: Name = ""
    reason: Name = ""

    @property
    def key(self) -> Key:
        """What it is about: pause and resume of the same are about the same."""
        partition = -1 if self.partition is None else self.partition
        return self.route, self.topic, partition, self.source, self.node

    @property
    def weight(self) -> tuple[int, bool, str, str]:
        """The heavier word counts; all nodes weigh alike."""
        return self.at_ms, self.paused, self.operator, self.reason

    @property
    def whole(self) -> bool:
        """It is about all that the pool takes."""
        return not self.topic and self.partition is None and not self.source

    def covers(self, topic: str, partition: int) -> bool:
        """Whether a partition of Kafka is among what this is about."""
        return (
            self.source != "queue"
            and self.topic in ("", topic)
            and (self.partition is None or self.partition == partition)
        )


_decoder = msgspec.json.Decoder(list[Word])


class Pauses:
    """All words that count."""

    def __init__(self) -> None:
        self._words: dict[Key, Word] = {}

    def note(self, word: Word) -> bool:
        """One word; whether it is news."""
        known = self._words.get(word.key)
        if known is not None and known.weight >= word.weight:
            return False
        self._words[word.key] = word
        return True

    def after(self, key: Key, now_ms: int) -> int:
        """The stamp of a word that is said now: later than what it is to overrule, whatever clocks say."""
        known = self._words.get(key)
        return now_ms if known is None else max(now_ms, known.at_ms + 1)

    def says(self, key: Key) -> Word | None:
        """The word on exactly this."""
        return self._words.get(key)

    def paused(self, route: str, node: str) -> list[Word]:
        """What is paused of a pool on a node."""
        return [one for one in self.paused_anywhere(route) if one.node in ("", node)]

    def paused_anywhere(self, route: str) -> list[Word]:
        """The same, also of what is paused on other nodes alone."""
        return [one for one in self._words.values() if one.paused and one.route == route]

    def forget(self, before_ms: int) -> None:
        """Drop what was resumed before: whoever was away for so long has heard it since."""
        kept = {key: word for key, word in self._words.items() if word.paused or word.at_ms >= before_ms}
        self._words = kept

    def encoded(self) -> bytes:
        """The whole map, to be kept and to be sent."""
        return msgspec.json.encode([self._words[key] for key in sorted(self._words)])

    def merge(self, encoded: bytes) -> bool:
        """Take in another map; whether anything was news. What is no map is none: ValueError."""
        return self._merge(_decoder.decode(encoded))

    def _merge(self, words: Iterable[Word]) -> bool:
        return any([self.note(word) for word in words])
