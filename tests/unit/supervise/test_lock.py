"""One supervisor of a name and node."""

import os
from pathlib import Path

import pytest

from ringmain.errors import RingmainError
from ringmain.supervise.lock import Lock


def test_a_second_one_is_refused_and_names_the_first(tmp_path: Path) -> None:
    first, second = Lock(tmp_path, "a"), Lock(tmp_path, "a")
    first.take()
    with pytest.raises(RingmainError, match=f"held by process {os.getpid()}"):
        second.take()
    first.release()
    second.take()
    second.release()


def test_a_stale_file_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "a.lock").write_text("1234567\n")
    lock = Lock(tmp_path, "a")
    lock.take()
    assert (tmp_path / "a.lock").read_text() == f"{os.getpid()}\n"
    lock.release()


def test_what_it_made_it_removes_and_what_was_there_stays(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "ringmain" / "billing", "a")
    lock.take()
    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RingmainError, match="runtime_dir"):
        Lock(tmp_path / "file" / "below", "a").take()
