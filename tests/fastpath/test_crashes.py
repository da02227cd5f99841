"""A kill -9 before every single shared store of each role, on a debug build of the extension."""

import glob
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent
_BESIDE = ("--build-lib", "build/debug", "--build-temp", "build/debug-objects")


@pytest.fixture(scope="session")
def debug_extension() -> str:
    """The extension with crash_before_store(), built beside the real one when its sources changed."""
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", *_BESIDE],
        cwd=_ROOT,
        env={**os.environ, "RINGMAIN_DEBUG": "1"},
        check=True,
        capture_output=True,
    )
    (built,) = glob.glob(str(_ROOT / "build/debug/ringmain/_fastpath*.so"))
    return built


@pytest.mark.parametrize("order", ["key", "none"])
@pytest.mark.parametrize("victim", ["feeder", "first", "second", "courier"])
def test_a_death_before_any_store_loses_strands_and_disorders_nothing(
    victim: str, order: str, debug_extension: str
) -> None:
    seed = random.randrange(1 << 30)
    played = subprocess.run(
        [sys.executable, str(_HERE / "crashes.py"), debug_extension, victim, order, str(seed)],
        env={**os.environ, "PYTHONPATH": str(_ROOT / "daemon")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    print(played.stdout, played.stderr)
    assert played.returncode == 0
