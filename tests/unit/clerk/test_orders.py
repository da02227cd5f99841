"""What an order says, in words, and what nobody can mean."""

import pytest

from ringmain.clerk.orders import Order, check, in_words
from ringmain.errors import JobRefused
from ringmain.queues.filters import Filter, Where


def test_a_filter_is_said_as_it_was_given() -> None:
    chosen = Filter(route="orders", where=(Where(("a", "b"), "7"),), since_ms=1000, key=b"k\xff", partition=0)
    assert in_words(chosen) == {
        "route": "orders", "partition": 0, "key": "k\\xff", "where": ["a.b=7"],
        "since": "1970-01-01T00:00:01.000Z",
    }  # fmt: skip
    assert in_words(Filter()) == {}
    assert in_words(Filter(channel="")) == {"channel": ""}


@pytest.mark.parametrize(("chosen", "everything"), [(Filter(), False), (Filter(route="orders"), True)])
def test_everything_is_said_or_filtered_never_both_or_neither(chosen: Filter, everything: bool) -> None:
    with pytest.raises(JobRefused, match="--all"):
        check(Order(action="replay", chosen=chosen, who="ada"), everything)
    check(Order(action="replay", chosen=chosen, who="ada"), not everything)
