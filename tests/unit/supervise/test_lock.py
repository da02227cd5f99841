"""One supervisor of a name and node."""

import os
from pathlib import Path

import pytest

from ringmain.errors import RingmainError
from ringmain.supervise.lock import Lock


def test_a_second_one_is_refused_and_names_the_first(tmp_path: Path) -> None:
    first, second = Lock(tmp_path, "billing", "a"), Lock(tmp_path, "billing", "a")
    first.take()
    with pytest.raises(RingmainError, match=f"held by process {os.getpid()}"):
        second.take()
    first.release()
    second.take()
    second.release()


@pytest.mark.parametrize(("name", "node"), [("shipping", "a"), ("billing", "b")])
def test_another_name_or_node_may_share_the_directory(tmp_path: Path, name: str, node: str) -> None:
    first, second = Lock(tmp_path, "billing", "a"), Lock(tmp_path, name, node)
    first.take()
    second.take()
    first.release()
    second.release()


def test_a_stale_file_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "billing.a.lock").write_text("1234567\n")
    lock = Lock(tmp_path, "billing", "a")
    lock.take()
    assert (tmp_path / "billing.a.lock").read_text() == f"{os.getpid()}\n"
    lock.release()


def test_what_it_made_it_removes_and_what_was_there_stays(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "ringmain" / "billing", "billing", "a")
    lock.take()
    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RingmainError, match="runtime_dir"):
        Lock(tmp_path / "file" / "below", "billing", "a").take()
