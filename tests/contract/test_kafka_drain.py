"""The way around Python's own: what it takes up, what it refuses, and that both ways make the same bytes."""

import pytest
from confluent_kafka import Consumer, cimpl

from ringmain import _fastpath
from ringmain._fastpath import Drain
from ringmain.kafka.reading import packed_headers, plugin_properties
from support.kafka_reader import unpacked


def consumer(**more: str) -> Consumer:
    return Consumer({"group.id": "g", "log_level": "0", **more})


def test_the_handle_of_a_consumer_made_with_the_plugin_is_taken_up() -> None:
    drain = Drain()
    first, second = (consumer(**plugin_properties(drain)) for _ in range(2))
    assert drain.capture(first)
    assert drain.reason == ""
    other = Drain()
    assert other.capture(second)
    for one in (drain, other):
        one.release()
    first.close()
    second.close()
    with pytest.raises(RuntimeError, match="closed"):
        drain.queue("t", 0)


def test_a_consumer_made_without_the_plugin_is_not_and_says_why() -> None:
    drain = Drain()
    assert drain.bind(cimpl.__file__)
    plain = consumer()
    assert not drain.capture(plain)
    assert not drain.available
    assert "plugin" in drain.reason
    plain.close()


def test_more_consumers_may_come_and_go_than_there_are_places() -> None:
    for _ in range(100):
        drain = Drain()
        one = consumer(**{"plugin.library.paths": _fastpath.__file__} if drain.bind(cimpl.__file__) else {})
        assert drain.capture(one)
        drain.release()
        one.close()


def test_what_is_pushed_comes_out_in_order_and_unchanged() -> None:
    queue = Drain().queue("t", 3)
    headers = [("a", b"1"), ("a", None), ("", b""), ("ü", b"\0")]
    queue.push(b"k", b"v", packed_headers(headers), 7, 1234)
    queue.push(None, None, b"", 8, -1)
    queue.push(b"", b"", b"", 9, 0)
    queue.push(None, b"end", b"", 10, -1, -191)
    assert queue.waiting == 4
    first, *rest = queue.take(10)
    assert first[:5] == (0, 7, 1234, b"k", b"v")
    assert unpacked(first[5]) == headers
    assert rest == [
        (0, 8, -1, None, None, b""),
        (0, 9, 0, b"", b"", b""),
        (-191, 10, -1, None, b"end", b""),
    ]
    assert queue.take(10) == []


def test_a_closed_queue_can_neither_be_read_nor_added_to() -> None:
    queue = Drain().queue("t", 0)
    queue.push(None, b"left behind", b"", 0, 0)
    queue.close()
    queue.close()
    assert queue.waiting == 0
    with pytest.raises(RuntimeError, match="closed"):
        queue.take(1)
    with pytest.raises(RuntimeError, match="closed"):
        queue.push(None, b"late", b"", 1, 0)


def test_what_was_pushed_is_dropped_after_a_seek() -> None:
    queue = Drain().queue("t", 0)
    queue.push(None, b"old", b"", 0, 0)
    queue.discard()
    queue.push(None, b"new", b"", 5, 0)
    assert [one[1] for one in queue.take(10)] == [5]
