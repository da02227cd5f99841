"""Depths of queues as an operator looks at them."""

from ringmain.control import Queue
from ringmain.herald.sums import MOST, summed
from ringmain.queues import names
from ringmain.queues.contract import Depth

NOW_MS = 1_000_000


def test_steps_of_a_delay_are_one_row_with_the_oldest_of_all() -> None:
    depths = {
        names.delay("shop", "orders", 5): Depth(2, 0, NOW_MS - 1_000),
        names.delay("shop", "orders", 10): Depth(3, 0, NOW_MS - 4_000),
        names.delay("shop", "orders", 5, "express"): Depth(1, 0, None),
    }
    assert summed(depths, NOW_MS) == [
        Queue("orders", "delay", 5, 4.0),
        Queue("orders.express", "delay", 1, None),
    ]


def test_the_fullest_come_first_and_no_age_is_below_zero() -> None:
    depths = {
        names.ready("shop", "orders"): Depth(1, 1, NOW_MS + 500),
        names.dead("shop", "orders"): Depth(7, None, None),
    }
    assert summed(depths, NOW_MS) == [Queue("orders", "dead", 7, None), Queue("orders", "ready", 1, 0.0)]


def test_a_report_has_an_end() -> None:
    depths = {names.dead("shop", f"r{number}"): Depth(number + 1, None, None) for number in range(2 * MOST)}
    assert [row.messages for row in summed(depths, NOW_MS)] == list(range(2 * MOST, MOST, -1))
