"""What a seek repeats and skips, in words, before anybody says yes."""

import pytest
from msgspec.structs import replace

from ringmain.cli.seek import destination, meant, question
from ringmain.clock import wall_ms
from ringmain.control import Seek
from ringmain.queues.filters import parse_time_ms
from support.pictures import node, partition

ONE = partition(3)  # committed 10,000, position 10,050, end 10,120


@pytest.mark.parametrize(
    ("to", "meaning"),
    [
        ("9000", "at most 1,050 messages that were taken are handled once more"),
        ("10000", "at most 50 messages that were taken are handled once more"),
        ("10020", "at most 30 messages that were taken are handled once more, and "
                  "at most 20 messages are never handled"),
        ("10050", "at most 50 messages are never handled"),
        ("10100", "at most 100 messages are never handled"),
        ("20000", "at most 10,000 messages are never handled (the end is 10120)"),
        ("latest", "at most 120 messages are never handled"),
        ("earliest", "everything that Kafka still has below offset 10050 is handled once more"),
        ("2026-01-31T12:00:00Z", "it is at offset 10050 now, 120 messages behind; what lies between is "
                                 "repeated if the time is before that, skipped if it is after"),
    ],
)  # fmt: skip
def test_a_seek_says_at_most_how_much_it_repeats_and_skips(to: str, meaning: str) -> None:
    assert meant(to, ONE) == meaning


def test_where_all_is_settled_the_end_is_no_change() -> None:
    settled = partition(3, committed=10_120, position=10_120, lag=0)
    assert meant("latest", settled) == "nothing is repeated, nothing skipped"


def test_of_a_partition_that_is_just_ours_nothing_is_promised() -> None:
    assert "not known yet" in meant("5", partition(3, position=-1, committed=-1))


def test_the_question_names_route_partition_and_place() -> None:
    assert question(Seek("orders", 3, "10000"), node()) == (
        "orders: orders/3 goes on at 10000: at most 50 messages that were taken are handled once more. Seek?"
    )


def test_a_partition_of_another_node_is_said_to_be_there() -> None:
    assert "web-2 has it" in question(Seek("orders", 5, "0"), node())
    assert "web-1 does not have it now" in question(Seek("orders", 99, "0"), node())


def test_of_two_topics_with_that_partition_neither_is_guessed() -> None:
    two = replace(node(), partitions=[ONE, partition(3, topic="returns")])
    assert "not known here" in question(Seek("orders", 3, "0"), two)
    assert "orders: returns/3 goes on" in question(Seek("orders", 3, "0", "returns"), two)


def test_a_span_becomes_a_moment_that_every_node_reads_alike() -> None:
    to = destination("2h")
    now_ms = wall_ms()
    assert to.endswith("Z")
    assert abs(now_ms - 7_200_000 - parse_time_ms(to, now_ms)) < 60_000
