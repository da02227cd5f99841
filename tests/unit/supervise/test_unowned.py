"""Partitions that nobody owns: what is over soon is left alone, what lasts is seen to, ever less often."""

import math

import pytest

from ringmain.lifecycle import Scouted
from ringmain.supervise.unowned import AGAIN_S, LASTS_S, MOST_VISITS, SAY_S, TURN_S, Unowned

REVOKE_S = 5.0
LASTING_S = REVOKE_S + LASTS_S
LOST = Scouted("orders", unowned=["orders/1"])
WELL = Scouted("orders")


@pytest.fixture
def unowned() -> Unowned:
    return Unowned(REVOKE_S)


def test_a_partition_that_is_being_given_away_is_left_alone(unowned: Unowned) -> None:
    assert unowned.seen(LOST, 100.0) == 100.0 + LASTING_S
    assert unowned.seen(LOST, 107.0) == 100.0 + LASTING_S
    assert unowned.seen(WELL, 108.5) == math.inf
    assert unowned.seen(LOST, 109.0) == 109.0 + LASTING_S
    assert unowned.to_visit() == ""


def test_partitions_that_are_moved_one_after_another_are_left_alone(unowned: Unowned) -> None:
    unowned.seen(LOST, 0.0)
    unowned.seen(Scouted("orders", unowned=["orders/1", "orders/7"]), 5.0)
    assert unowned.seen(Scouted("orders", unowned=["orders/7"]), 13.0) == 13.0 + LASTING_S
    assert unowned.to_visit() == ""


def test_one_that_stays_nobodys_is_seen_to_once(unowned: Unowned) -> None:
    due_s = unowned.seen(LOST, 0.0)
    assert unowned.seen(LOST, due_s) == due_s + AGAIN_S
    assert unowned.to_visit() == "orders"
    assert unowned.to_visit() == ""


def test_one_that_is_well_again_before_its_turn_is_not_visited(unowned: Unowned) -> None:
    unowned.seen(LOST, unowned.seen(LOST, 0.0))
    unowned.seen(WELL, 20.0)
    assert unowned.to_visit() == ""


def test_nodes_see_to_it_one_after_another(unowned: Unowned) -> None:
    second = Scouted("orders", unowned=["orders/1"], nodes_before=1)
    assert unowned.seen(second, 0.0) == LASTING_S + TURN_S


def test_what_does_not_help_is_done_less_and_less_often_and_then_only_said(
    unowned: Unowned, caplog: pytest.LogCaptureFixture
) -> None:
    now_s, waits, visits = unowned.seen(LOST, 0.0), [], []
    for _ in range(MOST_VISITS + 2):
        next_s = unowned.seen(LOST, now_s)
        waits.append(next_s - now_s)
        visits.append(unowned.to_visit())
        assert unowned.seen(LOST, now_s + 1.0) == next_s
        assert unowned.to_visit() == ""
        now_s = next_s
    assert waits == [AGAIN_S * 2**number for number in range(MOST_VISITS)] + [SAY_S] * 2
    assert visits == ["orders"] * MOST_VISITS + [""] * 2
    assert [line.levelname for line in caplog.records] == ["WARNING"] * MOST_VISITS + ["ERROR"] * 2


def test_each_route_is_a_matter_of_its_own(unowned: Unowned) -> None:
    other = Scouted("bills", unowned=["bills/0"])
    due_s = unowned.seen(LOST, 0.0)
    unowned.seen(other, 0.0)
    unowned.seen(LOST, due_s)
    unowned.seen(other, due_s)
    assert [unowned.to_visit(), unowned.to_visit(), unowned.to_visit()] == ["orders", "bills", ""]
