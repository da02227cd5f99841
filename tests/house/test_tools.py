"""The tools agree: mypy strict and ruff are clean, and the extension's stub says what the extension has."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.environment import child_environment
from support.sources import CHECKOUT

BESIDE = ["tests/support", "tests/house", "tests/release", "tests/conftest.py", "bench"]


def run_tool(*arguments: str) -> None:
    """Run `python -m arguments` in the checkout; its output is the failure's message."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=CHECKOUT,
        env=child_environment(MYPYPATH="daemon:tests:bench"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(arguments)}\n{done.stdout}{done.stderr}"


def test_mypy_strict_is_clean() -> None:
    run_tool("mypy")


def test_mypy_strict_is_clean_beside_the_package() -> None:
    # PERF: a cache of its own: with other options mypy throws away what the other run has left.
    options = ["--explicit-package-bases", "--follow-imports=silent", "--cache-dir=.mypy_cache/beside"]
    run_tool("mypy", *options, *BESIDE)


@pytest.mark.parametrize("what", ["check", "format"])
def test_ruff_is_clean(what: str) -> None:
    arguments = ["format", "--check"] if what == "format" else ["check"]
    run_tool("ruff", *arguments, "daemon", "tests", "bench", "setup.py")


def test_the_stub_is_in_step_with_the_extension(tmp_path: Path) -> None:
    # Cython adds __test__ to every module with docstrings; nobody imports it.
    (tmp_path / "allowed").write_text(r"ringmain\._fastpath\.__test__")
    options = ["--mypy-config-file", "pyproject.toml", "--allowlist", str(tmp_path / "allowed")]
    run_tool("mypy.stubtest", "ringmain._fastpath", "--ignore-unused-allowlist", *options)
