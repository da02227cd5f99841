"""The hand's process: one that ended or says nothing is an answer, and what it says late is nobody's."""

import sys

import pytest

from ringmain.demo import hand as hands
from ringmain.demo.hand import Hand, Request


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
