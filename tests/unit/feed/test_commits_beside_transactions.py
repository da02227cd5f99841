"""When a feeder commits beside transactions: never while one may, and nothing is taken before its answer."""

from typing import Any

from ringmain.feed.commits import EMPTY_S, Commits
from ringmain.feed.owned import Owned

PAIR = ("orders", 0)


class Side:
    def __init__(self) -> None:
        self.low, self.busy = 0, 0

    def low_water(self, _index: int) -> int:
        return self.low

    def in_flight(self, _index: int) -> int:
        return self.busy


class Kafka:
    def __init__(self) -> None:
        self.asked: list[dict[Any, int]] = []

    def commit(self, offsets: dict[Any, int]) -> None:
        if offsets:
            self.asked.append(dict(offsets))

    def commit_now(self, offsets: dict[Any, int], timeout_s: float) -> bool:
        self.commit(offsets)
        return True


def made() -> tuple[Commits, Side, Kafka, dict[Any, Owned]]:
    side, kafka = Side(), Kafka()
    commits = Commits(kafka, side, 1.0, transactional=True)  # type: ignore[arg-type]
    return commits, side, kafka, {PAIR: Owned(None, 0, 0, 0)}  # type: ignore[arg-type]


def test_with_anything_in_the_ring_it_leaves_it_to_them() -> None:
    commits, side, kafka, owned = made()
    side.low, side.busy = 10, 1
    commits.send(owned, 1.0)
    commits.hurry()
    commits.last(owned)
    assert kafka.asked == []
    assert not owned[PAIR].resting
    assert commits.known(owned[PAIR]) == 10


def test_with_nothing_in_it_the_partition_rests_until_the_answer() -> None:
    commits, side, kafka, owned = made()
    side.low = 10
    commits.send(owned, 1.0)
    assert kafka.asked == [{PAIR: 10}]
    assert owned[PAIR].resting
    commits.answered(owned, {PAIR: 10}, "")
    assert not owned[PAIR].resting
    commits.send(owned, 2.0)
    assert kafka.asked == [{PAIR: 10}]


def test_a_refusal_ends_the_rest_as_well() -> None:
    commits, side, _, owned = made()
    side.low = 10
    commits.send(owned, 1.0)
    commits.answered(owned, {PAIR: 10}, "the group moves")
    assert not owned[PAIR].resting
    assert owned[PAIR].asked == 0


def test_what_is_never_empty_is_emptied_once_in_a_while() -> None:
    commits, side, kafka, owned = made()
    side.low, side.busy = 10, 5
    commits.send(owned, 1.0)
    commits.send(owned, 2.0 + EMPTY_S)
    assert owned[PAIR].resting
    assert kafka.asked == []
    side.busy = 0
    commits.send(owned, 4.0 + EMPTY_S)
    assert kafka.asked == [{PAIR: 10}]
