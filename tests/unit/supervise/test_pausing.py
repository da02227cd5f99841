"""What follows from the words of operators for the feeders of a pool."""

import pytest

from ringmain.control import Source
from ringmain.lifecycle import Paused
from ringmain.supervise.pauses import Word
from ringmain.supervise.pausing import GIVEN_UP_MS, gives_up_queue, order_of, unknown_in


def word(
    topic: str = "", partition: int | None = None, source: Source = "", at_ms: int = 0, node: str = ""
) -> Word:
    return Word(
        route="r", paused=True, at_ms=at_ms, topic=topic, partition=partition, source=source, node=node
    )


@pytest.mark.parametrize(
    ("words", "order"),
    [
        ([], Paused()),
        ([word()], Paused(everything=True)),
        ([word(source="kafka")], Paused(everything=True)),
        ([word(source="queue")], Paused()),
        ([word("t", 1), word("t", 0)], Paused(partitions=[("t", 0), ("t", 1)])),
        ([word("t", 1), word("t", 1, "kafka")], Paused(partitions=[("t", 1)])),
        ([word("t")], Paused(partitions=[("t", -1)])),
        ([word("t", 1), word()], Paused(everything=True)),
    ],
)
def test_what_kafka_feeders_are_told(words: list[Word], order: Paused) -> None:
    assert order_of(words) == order


def test_what_is_held_of_the_queues_goes_back_at_once_when_they_are_meant() -> None:
    assert gives_up_queue([word(source="queue")], 0)
    assert not gives_up_queue([word(source="kafka"), word("t"), word("t", 1)], 10 * GIVEN_UP_MS)


def test_and_after_a_minute_when_the_whole_route_is_paused() -> None:
    assert not gives_up_queue([word(at_ms=1000)], 1000 + GIVEN_UP_MS)
    assert gives_up_queue([word(at_ms=1000)], 1001 + GIVEN_UP_MS)


@pytest.mark.parametrize(
    ("about", "lines"),
    [
        (word(), []),
        (word("t"), []),
        (word("t", 0), []),
        (word("t", 7), ["nobody is known to own partition 7 of t: it holds for who will"]),
        (word(node="b"), []),
        (word(node="c"), ["no node c is known now, but a, b: it holds once there is one"]),
    ],
)
def test_what_nobody_knows_is_named(about: Word, lines: list[str]) -> None:
    assert unknown_in(about, {"t/0", "t/1"}, ["a", "b"]) == lines
