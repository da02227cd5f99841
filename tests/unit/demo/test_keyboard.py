"""What a developer types is taken line by line, and nobody waits for it."""

import os
from collections.abc import Iterator

import pytest

from ringmain.demo.keyboard import Keyboard


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    os.close(read)


def test_lines_come_when_they_are_complete(pipe: tuple[int, int]) -> None:
    read, write = pipe
    keyboard = Keyboard(read)
    assert keyboard.lines() == []
    os.write(write, b'orders {"id": 1}\nord')
    assert keyboard.lines() == ['orders {"id": 1}']
    os.write(write, b"ers {}\r\n\n")
    assert keyboard.lines() == ["orders {}", ""]
    os.close(write)
    assert keyboard.lines() == []
    assert keyboard.lines() == []


def test_what_is_no_text_is_no_reason_to_stop(pipe: tuple[int, int]) -> None:
    read, write = pipe
    os.write(write, b"\xff\n")
    assert Keyboard(read).lines() == ["\ufffd"]
    os.close(write)
