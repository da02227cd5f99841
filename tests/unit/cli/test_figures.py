"""Numbers as people read them."""

import pytest

from ringmain.cli import figures


@pytest.mark.parametrize(
    ("number", "said"),
    [(-1, "?"), (0, "0"), (12_345, "12,345"), (99_999, "99,999"), (123_456, "123k"), (1_234_567, "1.2M"),
     (98_765_432, "99M"), (5_000_000_000, "5.0G"), (10**16, "10000T")],
)  # fmt: skip
def test_a_count_is_short_and_says_when_it_is_not_known(number: int, said: str) -> None:
    assert figures.count(number) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "never"), (0, "0"), (0.000012, "12 us"), (0.00031, "0.3 ms"), (0.25, "250 ms"), (4.21, "4.2 s"),
     (72, "72 s"), (720, "12 min"), (11_112, "3 h 5 min"), (3599.9, "1 h 0 min"), (900_000, "10 d 10 h")],
)  # fmt: skip
def test_a_span_has_the_unit_that_fits(seconds: float | None, said: str) -> None:
    assert figures.span(seconds) == said


def test_a_small_rate_keeps_its_decimal() -> None:
    assert [figures.rate(number) for number in (0.0, 0.25, 9.9, 12.3, 12_345.6)] == [
        "0", "0.2", "9.9", "12", "12,346"
    ]  # fmt: skip


def test_a_spark_line_goes_from_nothing_to_the_largest_of_the_newest() -> None:
    assert figures.spark([900.0, 0.0, 5.0, 10.0], 3) == "▁▅█"
    assert figures.spark([0.0, 0.0], 10) == "▁▁"
    assert figures.spark([], 10) == ""


def test_one_is_not_many() -> None:
    said = [figures.many(number, "process", "processes") for number in (0, 1, 1_000)]
    assert said == ["0 processes", "1 process", "1,000 processes"]


def test_a_moment_is_in_utc_and_says_so() -> None:
    assert figures.moment(1_700_000_000_000) == "2023-11-14 22:13:20Z"
