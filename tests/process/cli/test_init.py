"""`ringmain init`: a project that is whole, passes its own test and `ringmain check`, overwrites nothing."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from command_line import ringmain

from ringmain.config.load import load_without_environment
from support.environment import child_environment
from support.sources import CHECKOUT, PACKAGE

MYPY_CACHE = CHECKOUT / ".mypy_cache" / "init"
FILES = ["orders.py", "ringmain.toml", "systemd/billing.conf", "test_orders.py"]


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    done = ringmain("init", "billing", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path / "billing"


def test_a_project_has_an_app_its_config_its_test_and_a_drop_in(tmp_path: Path) -> None:
    done = ringmain("init", "billing", cwd=tmp_path)
    assert files(tmp_path / "billing") == FILES
    assert "cd billing && ringmain dev ringmain.toml" in done.stdout
    assert done.stderr == ""


def test_it_is_fine_by_ringmain_check(project: Path) -> None:
    done = ringmain("check", "ringmain.toml", cwd=project)
    assert (done.returncode, done.stderr) == (0, "")


def test_its_own_test_passes(project: Path) -> None:
    # Installed, the plugin is there by itself; of a checkout nobody has told pytest.
    installed = any(point.name == "ringmain" for point in entry_points(group="pytest11"))
    plugin = [] if installed else ["-p", "ringmain.testing.plugin"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin],
        cwd=project, env=child_environment(), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


@pytest.mark.parametrize(
    "tool",
    [
        ["ruff", "check", "--isolated", "--select=E,F,I,B,UP,RUF", "--line-length=110", "--no-cache"],
        ["mypy", "--strict", "--follow-imports=silent", f"--cache-dir={MYPY_CACHE}", "orders.py"],
    ],
    ids=["ruff", "mypy"],
)
def test_its_code_is_clean(project: Path, tool: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *tool], cwd=project, env=child_environment(MYPYPATH=str(PACKAGE.parent)),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("folder", "name"),
    [("billing", "billing"), ("My Shop.2", "my-shop-2"), ("…", "orders"), ("ready", "orders")],
)
def test_the_app_is_called_as_its_folder_as_far_as_that_is_a_name(
    tmp_path: Path, folder: str, name: str
) -> None:
    ringmain("init", folder, cwd=tmp_path)
    config = load_without_environment(tmp_path / folder / "ringmain.toml")
    assert (config.name, config.routes["orders"].kafka["group.id"]) == (name, name)


def test_a_name_can_be_given_and_is_judged(tmp_path: Path) -> None:
    assert ringmain("init", ".", "--name", "billing", cwd=tmp_path).returncode == 0
    assert files(tmp_path) == FILES
    refused = ringmain("init", "other", "--name", "Not A Name", cwd=tmp_path)
    assert (refused.returncode, files(tmp_path)) == (2, FILES)
    assert "--name 'Not A Name'" in refused.stderr


def test_nothing_is_overwritten_and_nothing_half_written(project: Path) -> None:
    (project / "orders.py").write_text("mine")
    (project / "ringmain.toml").unlink()
    done = ringmain("init", "billing", cwd=project.parent)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "orders.py" in done.stderr
    assert (project / "orders.py").read_text() == "mine"
    assert not (project / "ringmain.toml").exists()


def test_what_is_in_the_way_of_a_later_file_leaves_no_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "billing").mkdir()
    (tmp_path / "billing" / "systemd").write_text("mine")
    done = ringmain("init", "billing", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "billing/systemd/billing.conf: cannot be written: " in done.stderr
    assert files(tmp_path / "billing") == ["systemd"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    done = ringmain("init", "billing", cwd=tmp_path)
    tmp_path.chmod(0o700)
    assert done.returncode == 1
    assert "billing" in done.stderr


def test_a_file_in_the_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "billing").write_text("")
    done = ringmain("init", "billing", cwd=tmp_path)
    assert done.returncode == 2
    assert "billing" in done.stderr
