"""How many feeders, and which seat is next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringmain.supervise.seats import Change, all_changes, next_change, wanted


@pytest.mark.parametrize(
    ("configured", "partitions", "nodes", "seats"),
    [
        (None, 4, 1, 4),
        (None, 4, 2, 2),
        (None, 5, 2, 3),
        (None, 4, 8, 1),
        (None, 0, 1, 1),
        (None, 500, 1, 64),
        (3, 100, 1, 3),
        (8, 2, 1, 8),
        (100, 2, 1, 64),
    ],
)
def test_seats_wanted(configured: int | None, partitions: int, nodes: int, seats: int) -> None:
    assert wanted(configured, partitions, nodes, room=64) == seats


def test_the_lowest_empty_seat_is_filled_first_and_the_highest_given_up_first() -> None:
    assert next_change({0, 2}, 3) == Change(1, grow=True)
    assert next_change({0, 1, 2}, 2) == Change(2, grow=False)
    assert next_change({0, 1}, 2) is None


@given(st.sets(st.integers(0, 30)), st.integers(1, 30))
def test_one_change_after_another_arrives_at_exactly_the_seats_wanted(filled: set[int], target: int) -> None:
    for _ in range(80):
        change = next_change(filled, target)
        if change is None:
            break
        filled = filled | {change.seat} if change.grow else filled - {change.seat}
    assert filled == set(range(target))


def test_at_the_start_all_missing_seats_are_filled_together() -> None:
    assert [change.seat for change in all_changes({0}, 4)] == [1, 2, 3]
