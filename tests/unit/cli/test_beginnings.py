"""Where a partition would start: what is committed if it is still there, else auto.offset.reset."""

import pytest

from ringmain.cli.connect import beginning, strategies
from ringmain.config.schema import Route
from ringmain.kafka.lookup import Start


def route(reset: str) -> Route:
    return Route(name="orders", topics=("t",), order="none", kafka={"auto.offset.reset": reset})


@pytest.mark.parametrize(
    ("committed", "reset", "start", "remark"),
    [
        (15, "earliest", 15, ""),
        (20, "earliest", 20, ""),
        (None, "earliest", 10, "nothing committed: earliest"),
        (None, "latest", 20, "nothing committed: latest"),
        (None, "error", None, "nothing committed: error"),
        (3, "earliest", 10, "committed 3 is out of range: earliest"),
        (99, "latest", 20, "committed 99 is out of range: latest"),
    ],
)
def test_a_partition_between_10_and_20(
    committed: int | None, reset: str, start: int | None, remark: str
) -> None:
    found = beginning(route(reset), Start("t", 0, committed, 10, 20))
    assert (found.start, found.remark) == (start, remark)


def test_a_partition_whose_broker_is_silent() -> None:
    assert beginning(route("earliest"), Start("t", 0, 5, None, None)).remark == "its broker does not answer"


def test_assignors_are_those_of_the_properties() -> None:
    assert strategies({"partition.assignment.strategy": "range, roundrobin"}) == ["range", "roundrobin"]
    assert strategies({"group.protocol": "consumer"}) == []
    assert strategies({}) == ["cooperative-sticky"]
