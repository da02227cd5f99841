"""Partitions that nobody owns: what is over soon is left alone, what lasts is seen to, ever less often."""

import math

import pytest

from ringmain.supervise.unowned import AGAIN_S, LASTS_S, SELDOM_S, Unowned

REVOKE_S = 5.0
LOST = ["orders/1"]


@pytest.fixture
def unowned() -> Unowned:
    return Unowned(REVOKE_S)


def test_a_partition_that_is_being_given_away_is_left_alone(unowned: Unowned) -> None:
    assert unowned.seen("orders", LOST, 100.0) == 100.0 + REVOKE_S + LASTS_S
    assert unowned.seen("orders", LOST, 107.0) == 100.0 + REVOKE_S + LASTS_S
    assert unowned.seen("orders", [], 108.5) == math.inf
    assert unowned.seen("orders", LOST, 109.0) == 109.0 + REVOKE_S + LASTS_S
    assert unowned.to_visit() == ""


def test_one_that_stays_nobodys_is_seen_to_once(unowned: Unowned) -> None:
    due_s = unowned.seen("orders", LOST, 0.0)
    assert unowned.seen("orders", LOST, due_s) == due_s + AGAIN_S
    assert unowned.to_visit() == "orders"
    assert unowned.to_visit() == ""


def test_what_does_not_help_is_done_less_and_less_often(unowned: Unowned) -> None:
    now_s, visits = unowned.seen("orders", LOST, 0.0), []
    for _ in range(10):
        next_s = unowned.seen("orders", LOST, now_s)
        visits.append(next_s - now_s)
        assert unowned.to_visit() == "orders"
        assert unowned.seen("orders", LOST, now_s + 1.0) == next_s
        assert unowned.to_visit() == ""
        now_s = next_s
    assert visits == [min(SELDOM_S, AGAIN_S * 2**number) for number in range(10)]


def test_each_route_is_a_matter_of_its_own(unowned: Unowned) -> None:
    due_s = unowned.seen("orders", LOST, 0.0)
    unowned.seen("bills", LOST, 0.0)
    unowned.seen("orders", LOST, due_s)
    unowned.seen("bills", LOST, due_s)
    assert [unowned.to_visit(), unowned.to_visit(), unowned.to_visit()] == ["orders", "bills", ""]
