"""What is kept over a restart is whole, private, and never the reason why a daemon does not start."""

import os
from pathlib import Path

from ringmain.supervise import kept


def test_what_was_written_last_is_read_and_is_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "down" / "x.json"
    kept.write(path, b"one")
    kept.write(path, b"two")
    assert kept.read(path) == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == ["x.json"]


def test_nothing_was_kept_yet(tmp_path: Path) -> None:
    assert kept.read(tmp_path / "x.json") == b""


def test_what_cannot_be_read_is_nothing(tmp_path: Path) -> None:
    assert kept.read(tmp_path) == b""


def test_a_write_that_died_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    kept.write(path, b"old")
    path.with_suffix(".new").write_bytes(b"ha")
    assert kept.read(path) == b"old"
    kept.write(path, b"new")
    assert kept.read(path) == b"new"
