"""The README's guide "As a service", as a machine follows it: its blocks of `bash`, in order.

tests/systemd/ enters. What is replaced is where the servers are; nothing else of the text is changed.
"""

import re
from collections.abc import Mapping

from support.sources import CHECKOUT

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
BASH = re.compile(r"^```bash\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PYTHON = re.compile(r"^```python\n(# orders\.py\n.*?)^```$", re.DOTALL | re.MULTILINE)
TITLE = "As a service"


def chapter() -> str:
    """The guide's own text."""
    return README.partition(f"\n## {TITLE}\n")[2].partition("\n## ")[0]


def first_app() -> str:
    """The first app of the README, which the guide installs."""
    found = PYTHON.search(README)
    assert found, "the README's first app"
    return found[1]


def steps(places: Mapping[str, str]) -> list[str]:
    """Each block of commands, with the servers where they are here."""
    blocks: list[str] = BASH.findall(chapter())
    for said, here in places.items():
        assert any(said in block for block in blocks), f"the guide says nothing of {said}"
        blocks = [block.replace(said, here) for block in blocks]
    return blocks
