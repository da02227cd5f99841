"""What type checkers say about users' code: what is right passes, what is wrong is refused where it stands.

The examples are checked as an application's author checks them, against ringmain's own annotations. A line
that must be refused is marked, and no other may be.
"""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from support.environment import child_environment
from support.sources import PACKAGE

HERE = Path(__file__).parent
MARK = "# refused"
Complaints = dict[str, dict[int, str]]
"""File -> line -> what was said there."""


def ran(*arguments: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        env=child_environment(**environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def mypy(folder: Path, scratch: Path) -> Complaints:
    found: Complaints = defaultdict(dict)
    options = ["--strict", "--no-error-summary", "--config-file=", f"--cache-dir={scratch}"]
    files = [str(path) for path in sorted(folder.glob("*.py"))]
    said = ran("mypy", *options, *files, cwd=scratch, MYPYPATH=str(PACKAGE.parent))
    for path, line, text in re.findall(r"^(.+?):(\d+): error: (.+)$", said, re.MULTILINE):
        found[Path(path).name][int(line)] = text
    return found


def pyright(folder: Path, scratch: Path) -> Complaints:
    # It takes relative paths only: the files are checked in an author's own folder.
    shutil.copytree(folder, scratch / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
    config = {
        "include": [folder.name],
        "extraPaths": [str(PACKAGE.parent)],
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
    }
    (scratch / "pyrightconfig.json").write_text(json.dumps(config))
    arguments = ["--outputjson", "-p", str(scratch), "--pythonpath", sys.executable]
    report = json.loads(ran("pyright", *arguments, cwd=scratch))
    found: Complaints = defaultdict(dict)
    assert report["summary"]["filesAnalyzed"] == len(list(folder.glob("*.py")))
    for one in report["generalDiagnostics"]:
        if one["severity"] == "error":
            found[Path(one["file"]).name][one["range"]["start"]["line"] + 1] = one["message"]
    return found


def marked(folder: Path) -> dict[str, set[int]]:
    """Lines that must be refused, by file."""
    return {
        path.name: {n for n, line in enumerate(path.read_text().splitlines(), 1) if line.endswith(MARK)}
        for path in folder.glob("*.py")
    }


@pytest.fixture(params=[mypy, pyright], ids=["mypy-strict", "pyright-strict"])
def checker(request: pytest.FixtureRequest) -> Callable[[Path, Path], Complaints]:
    if importlib.util.find_spec(request.param.__name__) is None:
        pytest.skip(f"{request.param.__name__} is not installed")
    chosen: Callable[[Path, Path], Complaints] = request.param
    return chosen


def test_users_code_that_is_right_passes(checker: Callable[[Path, Path], Complaints], tmp_path: Path) -> None:
    assert checker(HERE / "accepted", tmp_path) == {}


def test_users_code_that_is_wrong_is_refused_where_it_stands(
    checker: Callable[[Path, Path], Complaints], tmp_path: Path
) -> None:
    found = checker(HERE / "refused", tmp_path)
    assert {name: set(lines) for name, lines in found.items()} == marked(HERE / "refused"), found
