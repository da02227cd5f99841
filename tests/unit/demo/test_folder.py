"""The demo's folder: a whole deployment, gone at the end; what a killed demo left is removed by the next."""

import fcntl
import os
from pathlib import Path

import pytest

from ringmain.config.load import load_without_environment
from ringmain.demo.folder import LOCK_NAME, PREFIX, YOUNG_S, folder, sweep


def left_by_a_killed_demo(where: Path, name: str, age_s: float = 2 * YOUNG_S) -> Path:
    path = where / f"{PREFIX}{name}"
    path.mkdir()
    (path / LOCK_NAME).touch()
    (path / "queues.db").touch()
    made_s = path.stat().st_mtime - age_s
    os.utime(path, (made_s, made_s))
    return path


def test_it_holds_a_deployment_that_loads_and_goes_away_with_its_block() -> None:
    with folder() as path:
        assert (path / "orders.py").exists()
        assert load_without_environment(path / "ringmain.toml").name == "demo"
    assert not path.exists()


def test_what_a_killed_demo_left_is_removed(tmp_path: Path) -> None:
    left = left_by_a_killed_demo(tmp_path, "killed")
    sweep(tmp_path)
    assert not left.exists()


def test_one_in_use_or_just_made_stays(tmp_path: Path) -> None:
    young = left_by_a_killed_demo(tmp_path, "young", age_s=0)
    used = left_by_a_killed_demo(tmp_path, "used")
    with (used / LOCK_NAME).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sweep(tmp_path)
    assert young.exists()
    assert used.exists()


@pytest.mark.parametrize("kind", ["no lock", "a link"])
def test_what_is_no_demos_folder_stays(tmp_path: Path, kind: str) -> None:
    elsewhere = left_by_a_killed_demo(tmp_path, "other")
    (elsewhere / LOCK_NAME).unlink()
    if kind == "a link":
        (elsewhere / LOCK_NAME).symlink_to(tmp_path / "queues.db")
    sweep(tmp_path)
    assert elsewhere.exists()
