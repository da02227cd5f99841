"""Queue names: written and read in one place."""

import pytest

from ringmain.queues import names
from ringmain.queues.names import Place


@pytest.mark.parametrize(
    ("queue", "place"),
    [
        (names.ready("shop", "orders"), Place("shop", "orders", "", "ready")),
        (names.ready("shop", "orders", "slow"), Place("shop", "orders", "slow", "ready")),
        (names.delay("shop", "orders", 40), Place("shop", "orders", "", "delay", 40)),
        (names.delay("shop", "orders", 5, "slow"), Place("shop", "orders", "slow", "delay", 5)),
        (names.dead("shop", "orders"), Place("shop", "orders", "", "dead")),
        (names.dead("shop", "orders", "slow"), Place("shop", "orders", "slow", "dead")),
        (names.overflow("shop", "orders"), Place("shop", "orders", "", "overflow")),
    ],
)
def test_a_name_reads_back_to_its_place(queue: str, place: Place) -> None:
    assert names.parse(queue) == place


def test_names_are_those_of_the_operators_manual() -> None:
    assert names.delay("billing", "orders", 5) == "billing.orders.delay.5"
    assert names.ready("billing", "orders", "slow") == "billing.orders.slow.ready"


@pytest.mark.parametrize(
    "queue", ["", "orders", "shop.orders", "shop.orders.slow", "a.b.c.d.ready", "a.b.delay.x"]
)
def test_a_foreign_name_is_refused(queue: str) -> None:
    with pytest.raises(ValueError, match="not the name of a queue"):
        names.parse(queue)
