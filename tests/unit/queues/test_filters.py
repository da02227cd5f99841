"""Filters: times, paths, and what passes."""

import msgspec
import pytest

from ringmain.queues.filters import Filter, Where, matches, parse_time_ms, parse_where, short_class
from support.queue_backends import message

NOW_MS = 1_800_000_000_000


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("30s", NOW_MS - 30_000),
        ("2h", NOW_MS - 7_200_000),
        ("1.5d", NOW_MS - 129_600_000),
        ("2026-01-31T12:00:00Z", 1_769_860_800_000),
        ("2026-01-31T12:00:00", 1_769_860_800_000),
        ("2026-01-31T13:00:00.500+01:00", 1_769_860_800_500),
        ("2026-01-31", 1_769_817_600_000),
    ],
)
def test_times_are_iso_or_how_long_ago(text: str, time_ms: int) -> None:
    assert parse_time_ms(text, NOW_MS) == time_ms


@pytest.mark.parametrize("text", ["", "soon", "2 fortnights", "-2h", "h"])
def test_other_times_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        parse_time_ms(text, NOW_MS)


def test_a_where_splits_at_its_first_sign() -> None:
    assert parse_where("a.0.b=x=y") == Where(("a", "0", "b"), "x=y")
    for broken in ("a", "=x", "a..b=1"):
        with pytest.raises(ValueError, match="path=value"):
            parse_where(broken)


@pytest.mark.parametrize(
    ("condition", "passes"),
    [
        ("customer.id=7", True), ("customer.id=70", False), ("customer.name=Ann", True),
        ('customer.name="Ann"', True), ("items.1=b", True), ("items.2=b", False), ("gone=null", True),
        ("absent=null", False), ("ok=true", True), ("price=1.5", True), ("items=[\"a\",\"b\"]", True),
    ],
)  # fmt: skip
def test_a_where_compares_what_stands_at_its_path(condition: str, passes: bool) -> None:
    value = b'{"customer":{"id":7,"name":"Ann"},"items":["a","b"],"gone":null,"ok":true,"price":1.5}'
    chosen = Filter(where=(parse_where(condition),))
    assert matches(chosen, "orders", "", message(1, value=value)) is passes


@pytest.mark.parametrize("value", [None, b"", b"\xff", b"plain", b'{"a": "\xff"}', b"[" * 100_000])
def test_a_where_on_what_is_not_json_does_not_pass(value: bytes | None) -> None:
    assert not matches(Filter(where=(Where(("a",), "1"),)), "orders", "", message(1, value=value))


def test_text_is_looked_for_in_bytes_as_well() -> None:
    sent = message(1, value=b"\xff needle \xff", headers=[("h", b"in a header"), ("h", None)])
    assert matches(Filter(text="needle"), "orders", "", sent)
    assert matches(Filter(text="in a header"), "orders", "", sent)
    assert not matches(Filter(text="hay"), "orders", "", sent)


def test_a_class_is_meant_with_or_without_its_module() -> None:
    assert short_class("shop.errors.Declined") == "Declined"
    assert short_class("KeyError") == "KeyError"


@pytest.mark.parametrize(
    ("kept", "asked", "passes"),
    [
        ("KeyError", "builtins.KeyError", True),
        ("shop.Declined", "shop.Declined", True),
        ("shop.Declined", "Declined", True),
        ("KeyError", "shop.KeyError", False),
        ("KeyError", "builtins.", False),
    ],
)
def test_pythons_own_classes_are_meant_by_their_module_too(kept: str, asked: str, passes: bool) -> None:
    failed = msgspec.structs.replace(message(1), error_class=kept)
    assert matches(Filter(error=asked), "orders", "", failed) is passes
