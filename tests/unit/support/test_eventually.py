"""eventually() returns what it waited for, or says what it saw."""

import itertools

import pytest

from support.waiting import eventually, never


def test_the_first_truthy_value_is_returned() -> None:
    numbers = itertools.count()
    assert eventually(lambda: next(numbers)) == 1


def test_a_timeout_names_the_condition_and_the_last_value() -> None:
    with pytest.raises(AssertionError, match=r"lag is gone: not within 0\.01 s; last seen: 0"):
        eventually(lambda: 0, 0.01, "lag is gone")


def test_an_assertion_in_the_condition_means_not_yet() -> None:
    numbers = itertools.count()

    def third() -> bool:
        assert next(numbers) == 2, "not the third"
        return True

    assert eventually(third)


def test_what_must_not_happen_is_an_error_when_it_does() -> None:
    with pytest.raises(AssertionError, match="moved: happened: 7"):
        never(lambda: 7, 5.0, "moved")
