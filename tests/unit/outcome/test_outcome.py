"""Outcomes are values, and can be raised."""

import contextlib
import copy
import pickle
from collections.abc import Iterator

import pytest

from ringmain.outcome import Batch, Dead, OutcomeValue, Pause, Retry, Skip, To

ALL = [Retry(5, "busy", False), Skip("old"), Dead("bad"), To("slow"), Pause(30, "database")]


@pytest.mark.parametrize("outcome", ALL, ids=repr)
def test_equal_by_content_hashable_copied_and_pickled(outcome: OutcomeValue) -> None:
    for twin in (copy.deepcopy(outcome), pickle.loads(pickle.dumps(outcome))):
        assert twin == outcome
        assert hash(twin) == hash(outcome)
        assert repr(twin) == repr(outcome)


def test_of_different_kinds_or_content_they_differ() -> None:
    assert Skip("x") != Dead("x")
    assert Retry() != Retry(count=False)
    assert repr(Retry()) == "Retry(after_s=None, reason='', count=True)"


@pytest.mark.parametrize("outcome", ALL, ids=repr)
def test_they_pass_through_a_context_manager_when_raised(outcome: OutcomeValue) -> None:
    @contextlib.contextmanager
    def transaction() -> Iterator[None]:
        yield

    with pytest.raises(type(outcome)) as raised, transaction():
        raise outcome
    assert raised.value is outcome


def test_they_do_not_change() -> None:
    with pytest.raises(AttributeError, match=r"Skip\.reason cannot change"):
        Skip("x").reason = "y"


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_impossible_seconds_are_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="number of seconds"):
        Retry(seconds)
    with pytest.raises(ValueError, match="number of seconds"):
        Pause(seconds, "x")


def test_a_batch_is_a_value() -> None:
    assert Batch(retry=[1]) == Batch(retry=[1])
    assert Batch(dead=[(2, "bad")], after_s=1.0) != Batch()
