"""What is released: a source archive that builds by itself, a wheel with all that Python needs."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from support.sources import CHECKOUT, tracked_files


def _call_backend(hook: str, source: Path, target: Path) -> Path:
    """Run one hook of the build backend in `source`; the file that it made in `target`."""
    target.mkdir()
    program = f"from setuptools import build_meta; print(build_meta.{hook}({str(target)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return next(target.iterdir())


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive, made from a copy: a build leaves files beside its sources."""
    copy = tmp_path_factory.mktemp("source")
    for path in tracked_files():
        place = copy / path.relative_to(CHECKOUT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    return _call_backend("build_sdist", copy, tmp_path_factory.mktemp("sdist") / "out")


@pytest.fixture(scope="module")
def wheel(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made from the source archive alone."""
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(archive) as tar:
        tar.extractall(unpacked, filter="data")
    return _call_backend("build_wheel", next(unpacked.iterdir()), tmp_path_factory.mktemp("wheel") / "out")


def test_the_source_archive_has_every_source_of_the_extension(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        inside = {name.partition("/")[2] for name in tar.getnames()}
    sources = {
        path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "_fastpath").iterdir() if path.is_file()
    }
    assert sources <= inside


def test_the_wheel_has_the_extension_its_stub_and_the_typing_marker(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"ringmain/_fastpath.pyi", "ringmain/py.typed"} <= names
    assert [name for name in names if name.startswith("ringmain/_fastpath.") and name.endswith(".so")]


def test_the_wheel_has_every_module_and_nothing_beside_the_package(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    package = CHECKOUT / "daemon"
    files = [path for path in tracked_files() if path.is_relative_to(package)]
    assert {path.relative_to(package).as_posix() for path in files} <= names
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"ringmain"}


def test_the_wheel_brings_the_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        points = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "ringmain = ringmain.cli:main" in archive.read(points).decode()


def test_the_wheel_has_the_page_and_what_it_draws_with(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    page = [path for path in tracked_files() if "admin/page" in path.as_posix()]
    assert len(page) > 20
    assert {path.relative_to(CHECKOUT / "daemon").as_posix() for path in page} <= names
