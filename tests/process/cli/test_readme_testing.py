"""README's chapter on testing is itself a test that passes."""

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

from support.environment import child_environment
from support.sources import CHECKOUT

BLOCK = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_the_readmes_test_of_its_third_app_passes(tmp_path: Path) -> None:
    blocks = dict(BLOCK.findall((CHECKOUT / "README.md").read_text(encoding="utf-8")))
    for name in ("outcomes.py", "test_outcomes.py"):
        (tmp_path / name).write_text(blocks[name])
    installed = any(point.name == "ringmain" for point in entry_points(group="pytest11"))
    plugin = [] if installed else ["-p", "ringmain.testing.plugin"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin],
        cwd=tmp_path, env=child_environment(), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout
