"""The map of pauses: whoever hears whom in whatever order, all nodes end with the same."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringmain.supervise.pauses import Pauses, Word

words = st.builds(
    Word,
    route=st.sampled_from(["orders", "orders.express", "b"]),
    paused=st.booleans(),
    at_ms=st.integers(0, 5),
    topic=st.sampled_from(["", "t"]),
    partition=st.none() | st.integers(0, 2),
    source=st.sampled_from(["", "kafka", "queue"]),
    node=st.sampled_from(["", "n1"]),
    operator=st.sampled_from(["", "ann", "bob"]),
    reason=st.sampled_from(["", "x"]),
)
maps = st.lists(words, max_size=12)


def pauses(*maps_of_words: list[Word]) -> Pauses:
    made = Pauses()
    for one in maps_of_words:
        for word in one:
            made.note(word)
    return made


def merged(*all_of_them: Pauses) -> bytes:
    made = Pauses()
    for one in all_of_them:
        made.merge(one.encoded())
    return made.encoded()


@given(maps, maps)
def test_who_hears_whom_first_makes_no_difference(one: list[Word], other: list[Word]) -> None:
    assert merged(pauses(one), pauses(other)) == merged(pauses(other), pauses(one))


@given(maps, maps, maps)
def test_nor_in_which_groups(a: list[Word], b: list[Word], c: list[Word]) -> None:
    left, right = pauses(a, b), pauses(b, c)
    assert merged(left, pauses(c)) == merged(pauses(a), right)


@given(maps)
def test_hearing_the_same_again_is_no_news(one: list[Word]) -> None:
    known = pauses(one)
    before = known.encoded()
    assert not known.merge(before)
    assert known.encoded() == before


@given(maps, maps)
def test_a_merge_is_news_exactly_when_it_changes_something(one: list[Word], other: list[Word]) -> None:
    known = pauses(one)
    before = known.encoded()
    assert known.merge(pauses(other).encoded()) == (known.encoded() != before)


@given(maps, st.integers(0, 3))
def test_what_is_said_now_is_heavier_than_all_that_was_said_of_it_whatever_the_clock(
    one: list[Word], now_ms: int
) -> None:
    known = pauses(one)
    word = Word(route="orders", paused=True, at_ms=known.after(("orders", "", -1, "", ""), now_ms))
    assert known.note(word) or known.says(word.key) == word
    assert known.says(word.key) == word


def test_a_pause_from_a_node_that_was_away_does_not_undo_a_later_resume() -> None:
    away = pauses([Word(route="orders", paused=True, at_ms=1)])
    here = pauses([Word(route="orders", paused=True, at_ms=1), Word(route="orders", paused=False, at_ms=2)])
    here.merge(away.encoded())
    assert here.paused("orders", "n1") == []
    assert away.merge(here.encoded())
    assert away.paused("orders", "n1") == []


def test_a_pause_of_another_node_is_kept_and_not_applied() -> None:
    known = pauses([Word(route="orders", paused=True, at_ms=1, node="n2")])
    assert known.paused("orders", "n1") == []
    assert len(known.paused("orders", "n2")) == 1


def test_what_a_word_covers() -> None:
    whole = Word(route="orders", paused=True, at_ms=1)
    of_topic = Word(route="orders", paused=True, at_ms=1, topic="t")
    of_partition = Word(route="orders", paused=True, at_ms=1, topic="t", partition=3)
    of_queue = Word(route="orders", paused=True, at_ms=1, source="queue")
    assert whole.whole
    assert not any(one.whole for one in (of_topic, of_partition, of_queue))
    assert all(one.covers("t", 3) for one in (whole, of_topic, of_partition))
    assert not of_queue.covers("t", 3)
    assert [one.covers("t", 4) for one in (whole, of_topic, of_partition)] == [True, True, False]
    assert not of_topic.covers("u", 3)


def test_what_was_resumed_long_ago_is_forgotten_and_no_pause_is() -> None:
    known = pauses([Word(route="a", paused=True, at_ms=1), Word(route="b", paused=False, at_ms=1)])
    known.note(Word(route="c", paused=False, at_ms=9))
    known.forget(5)
    assert (
        known.encoded()
        == pauses([Word(route="a", paused=True, at_ms=1), Word(route="c", paused=False, at_ms=9)]).encoded()
    )


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"{}",
        b"[1]",
        b"\xff\xfe",
        b'[{"route":"r"}]',
        b'[{"route":"r","paused":true,"at_ms":18446744073709551615}]',
        b'[{"route":"r","paused":true,"at_ms":1,"source":"sky"}]',
        b'[{"route":"r","paused":true,"at_ms":1,"partition":-1}]',
    ],
)
def test_what_is_no_map_changes_nothing(encoded: bytes) -> None:
    known = pauses([Word(route="orders", paused=True, at_ms=1)])
    before = known.encoded()
    with pytest.raises((msgspec.MsgspecError, ValueError)):
        known.merge(encoded)
    assert known.encoded() == before
