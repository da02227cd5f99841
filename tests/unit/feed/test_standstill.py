"""A partition that has something to read and does not move is told apart from one that is slow or idle."""

from ringmain.feed.standstill import Standstill

ORDERS = ("orders", 0)


def test_a_partition_that_never_moves_is_overdue_after_the_limit() -> None:
    watch = Standstill(limit_s=60)
    assert watch.overdue({ORDERS: 5}, 100.0) == []
    assert watch.overdue({ORDERS: 5}, 159.0) == []
    assert watch.overdue({ORDERS: 5}, 160.0) == [ORDERS]


def test_any_step_forward_begins_the_time_anew() -> None:
    watch = Standstill(limit_s=60)
    watch.overdue({ORDERS: 5}, 100.0)
    assert watch.overdue({ORDERS: 6}, 159.0) == []
    assert watch.overdue({ORDERS: 6}, 218.0) == []
    assert watch.overdue({ORDERS: 6}, 219.0) == [ORDERS]


def test_a_partition_with_nothing_to_read_is_never_overdue() -> None:
    watch = Standstill(limit_s=60)
    watch.overdue({ORDERS: 5}, 100.0)
    assert watch.overdue({}, 130.0) == []
    assert watch.overdue({ORDERS: 5}, 170.0) == []
