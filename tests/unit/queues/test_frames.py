"""Frames: everything of a fresh message comes back, at its first attempt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringmain.queues import frames
from ringmain.queues.envelope import UNREADABLE
from support.queue_backends import message


@given(st.lists(st.binary(max_size=40) | st.none(), max_size=40))
def test_messages_come_back_from_their_frame(values: list[bytes | None]) -> None:
    sent = [message(number, value=value) for number, value in enumerate(values)]
    packed = frames.pack(sent)
    assert frames.unpack(packed.body) == sent
    assert frames.count(packed.body) == packed.messages == len(sent)


def test_a_message_from_a_frame_is_at_its_first_attempt_whatever_it_was_before() -> None:
    packed = frames.pack([message(1, attempt=4, error_class="X", first_failed_ms=5)])
    assert frames.unpack(packed.body) == [message(1)]


@given(st.binary(max_size=60))
def test_foreign_bytes_are_unreadable_or_a_frame_and_never_anything_else(body: bytes) -> None:
    assert frames.count(body) >= 0
    try:
        frames.unpack(body)
    except UNREADABLE:
        return


def test_a_large_frame_says_how_much_it_holds() -> None:
    assert frames.count(frames.pack([message(1)] * 500).body) == 500


def test_no_frame_at_all_is_unreadable() -> None:
    with pytest.raises(UNREADABLE):
        frames.unpack(b"")
