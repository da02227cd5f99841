"""What an operator may say of where a partition is to go."""

import pytest

from ringmain.lifecycle import Seek
from ringmain.supervise.seeking import order_of


@pytest.mark.parametrize(
    ("to", "order"),
    [
        ("0", Seek("t", 3, offset=0)),
        (" 42 ", Seek("t", 3, offset=42)),
        ("earliest", Seek("t", 3, edge="earliest")),
        ("latest", Seek("t", 3, edge="latest")),
        ("1970-01-01T00:00:01Z", Seek("t", 3, since_ms=1000)),
        ("1970-01-01T01:00:01+01:00", Seek("t", 3, since_ms=1000)),
        ("1970-01-01 00:00:01", Seek("t", 3, since_ms=1000)),
    ],
)
def test_an_offset_an_edge_or_a_time(to: str, order: Seek) -> None:
    assert order_of("t", 3, to) == order


@pytest.mark.parametrize("to", ["", "-1", "soon", "1.5", "²", "9" * 19, "1969-12-31T23:59:59Z", "2026-13-01"])
def test_anything_else_is_nothing(to: str) -> None:
    assert order_of("t", 3, to) is None
