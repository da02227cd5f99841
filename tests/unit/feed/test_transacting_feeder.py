"""What a feeder of a transactional route tells the living and asks about the dead; Kafka is left out."""

from types import SimpleNamespace
from typing import Any

import pytest

from ringmain import clock, outgoing
from ringmain.feed import transacting as module
from ringmain.feed.owned import Owned
from ringmain.feed.transacting import Transacting

PAIR = ("orders", 0)
DEAD = 3


class Side:
    def __init__(self) -> None:
        self.executing: set[int] = {DEAD}
        self.told: list[bytes] = []

    def executing_seats(self, _index: int) -> set[int]:
        return self.executing


class Kafka:
    def __init__(self) -> None:
        self.word = b"generation 1"
        self.floors: dict[Any, int] | None = None
        self.committed: list[dict[Any, int]] = []
        self.stands = True

    def member(self) -> bytes:
        return self.word

    def standing(self, _pairs: Any, _timeout_s: float) -> dict[Any, int] | None:
        return self.floors

    def commit_now(self, offsets: dict[Any, int], _timeout_s: float) -> bool:
        self.committed.append(offsets)
        return self.stands


class Rig:
    """One feeder; `ended`: whether the dead handler's transaction could be ended."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.side, self.kafka, self.ended, self.now_s = Side(), Kafka(), True, 100.0
        self.fenced: list[int] = []
        patch.setattr(module, "tell_member", lambda side, word: side.told.append(word))
        patch.setattr(module, "origin_of", lambda _side, slot: (f"orders:0:{100 + slot}", 0))
        patch.setattr(clock, "monotonic_s", lambda: self.now_s)
        patch.setattr(outgoing, "transaction", self._fence)
        self.owned = {PAIR: Owned(None, 0, 100, 100)}  # type: ignore[arg-type]
        seat: Any = SimpleNamespace(config=None, route="orders")
        self.one = Transacting(seat, self.side, self.kafka, self.owned)  # type: ignore[arg-type]

    def _fence(self, _config: object, _route: str, handler: int) -> Any:
        self.fenced.append(handler)
        return SimpleNamespace(prepare=lambda: self.ended)


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(monkeypatch)


def test_a_word_is_told_once_and_again_when_it_changes(rig: Rig) -> None:
    rig.one.tell()
    rig.one.look()
    rig.now_s += 1.0
    rig.one.look()
    rig.kafka.word = b"generation 2"
    rig.now_s += 1.0
    rig.one.look()
    assert rig.side.told == [b"generation 1", b"generation 2"]


def test_nothing_is_known_before_the_dead_ones_transaction_has_ended_and_kafka_has_answered(rig: Rig) -> None:
    rig.ended = False
    assert not rig.one.known(DEAD)
    rig.ended, rig.now_s = True, rig.now_s + 1.0
    assert not rig.one.known(DEAD)
    rig.kafka.floors, rig.now_s = {PAIR: 105}, rig.now_s + 1.0
    assert rig.one.known(DEAD)
    assert rig.fenced == [DEAD]
    assert [rig.one.stands(slot) for slot in (4, 5)] == [True, False]


def test_kafka_is_not_asked_in_every_turn(rig: Rig) -> None:
    assert not rig.one.known(DEAD)
    rig.kafka.floors = {PAIR: 105}
    assert not rig.one.known(DEAD)
    rig.now_s += 1.0
    assert rig.one.known(DEAD)


def test_of_one_that_was_executing_nothing_here_nothing_is_asked(rig: Rig) -> None:
    rig.side.executing = set()
    assert rig.one.known(DEAD)
    assert rig.fenced == []


def test_what_is_being_given_away_is_asked_for_as_well(rig: Rig) -> None:
    rig.one.going = dict(rig.owned)
    rig.owned.clear()
    assert not rig.one.known(DEAD)


def test_the_first_of_a_partition_is_decided_last(rig: Rig) -> None:
    assert rig.one.last_first([1, 3, 2]) == [3, 2, 1]


def test_a_start_that_is_not_committed_is_so_before_anything_is_placed(rig: Rig) -> None:
    rig.kafka.floors = {PAIR: 100}
    rig.one.begin()
    assert rig.kafka.committed == []
    rig.owned[PAIR] = Owned(None, 0, 200, 200)  # type: ignore[arg-type]
    rig.kafka.stands = False
    rig.one.begin()
    assert rig.kafka.committed == [{PAIR: 200}]
    assert rig.owned[PAIR].resting


@pytest.mark.parametrize(
    ("floor", "standing"), [(105, 5), (110, 10), (100, 0), (-1001, 0), (111, 0), (1000, 0)]
)
def test_what_is_committed_further_than_the_dead_one_could_speaks_of_other_messages(
    rig: Rig, floor: int, standing: int
) -> None:
    rig.kafka.floors = {PAIR: floor}
    assert rig.one.known(DEAD)
    slots = rig.one.last_first(list(range(10)))
    assert sorted(slot for slot in slots if rig.one.stands(slot)) == list(range(standing))
