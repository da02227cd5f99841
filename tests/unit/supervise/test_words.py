"""What nodes say to each other: read back as written, and nothing else believed."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringmain import control
from ringmain.lifecycle import WORD_BYTES
from ringmain.supervise.words import Ask, Farewell, Hello, Sender, Tell, Word, added, read, shares, written

US = Sender("shop", "n1", "abc")
WORDS: list[Word] = [
    Hello(US, "http://n1:8100", {"orders": {"t": [0, 2]}}, b"[]", ["shop.orders.dead"]),
    Hello(US),
    Farewell(US),
    Ask(US, 7, control.Seek("orders", 3, "earliest")),
    Tell(US, "def", 7, control.Done("it is done", ["a line"])),
    Tell(US, "def", 8, control.Refused("no")),
]


@pytest.mark.parametrize("word", WORDS, ids=lambda word: type(word).__name__)
def test_a_word_is_read_as_it_was_written(word: Word) -> None:
    body = written(word)
    assert body is not None
    assert read(body, "shop") == word
    assert read(body, "another") is None, "of another name"
    assert read(body[:-1], "shop") is None
    assert read(body + b"x", "shop") is None


@given(st.binary(max_size=300))
def test_garbage_is_no_word(body: bytes) -> None:
    assert read(body, "shop") is None


FROM = {"sender": {"name": "shop", "node": "n", "instance": "a"}}
FOREIGN = [
    {"type": "hello"},
    {"type": "hello", "sender": {"name": "shop", "node": "n" * 256, "instance": "a"}},
    {"type": "hello", **FROM, "partitions": {"r": {"t": [-1]}}},
    {"type": "hello", **FROM, "pauses": 3},
    {"type": "ask", **FROM, "ticket": 1,
     "request": {"type": "stop"}},
    {"type": "ask", **FROM, "ticket": 1,
     "request": {"type": "seek", "route": "r", "partition": "0", "to": "1"}},
    {"type": "obey", **FROM},
    [[[[]]]],
]  # fmt: skip


@pytest.mark.parametrize("tree", FOREIGN, ids=range(len(FOREIGN)))
def test_what_is_like_a_word_and_is_none_is_refused(tree: object) -> None:
    assert read(msgspec.msgpack.encode(tree), "shop") is None


def test_a_word_that_is_too_long_is_not_written() -> None:
    assert written(Hello(US, pauses=b"x" * WORD_BYTES)) is None


def test_partitions_of_several_feeders_are_added_up() -> None:
    first = shares("orders", [("t", 2), ("t", 0), ("u", 1)])
    assert first == {"orders": {"t": [0, 2], "u": [1]}}
    both = added(first, shares("orders", [("t", 1), ("t", 2)]))
    assert added(both, shares("refunds", [])) == {"orders": {"t": [0, 1, 2], "u": [1]}, "refunds": {}}
    assert first == {"orders": {"t": [0, 2], "u": [1]}}, "and what was there is left as it was"
