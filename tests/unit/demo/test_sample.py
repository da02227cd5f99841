"""The sample orders: what each is, and what a number of them comes to."""

import msgspec
import pytest

from ringmain.demo import sample


def test_the_same_index_is_always_the_same_message() -> None:
    assert [sample.value(index) for index in range(2000)] == [sample.value(index) for index in range(2000)]


def test_totals_of_five_thousand_orders() -> None:
    assert sample.expected(5000) == sample.Expected(done=4994, retry=50, dead=6)


def test_each_trouble_is_among_the_first_thousand_orders() -> None:
    kinds = {sample.trouble(index) for index in range(1000)}
    assert kinds == {sample.FINE, sample.BANK_IS_AWAY, sample.CRASH, sample.UNDECODABLE}


def test_only_undecodable_orders_do_not_decode() -> None:
    from ringmain.demo.orders import Order

    def decodes(index: int) -> bool:
        try:
            msgspec.json.decode(sample.value(index), type=Order)
        except msgspec.ValidationError:
            return False
        return True

    refused = [index for index in range(3000) if not decodes(index)]
    assert refused == [333, 1333, 2333]
    assert {sample.trouble(index) for index in refused} == {sample.UNDECODABLE}


@pytest.mark.parametrize(("index", "simulate"), [(1, ""), (77, "bank is away"), (500, "crash")])
def test_an_order_says_what_it_simulates(index: int, simulate: str) -> None:
    assert msgspec.json.decode(sample.value(index)).get("simulate", "") == simulate
