"""How soon the first picture stands: 64 partitions, 10,000 dead. Printed and kept, never asserted."""

from pathlib import Path
from statistics import median

import pytest

from support import pictures
from support.admin_stage import staged
from support.chromium import Browser
from support.dead_messages import died

ROUNDS = 7
MARK = """
const marks = performance.getEntriesByName(arguments[0]);
return marks.length ? marks[0].startTime / 1000 : null;
"""


@pytest.mark.parametrize(("view", "mark"), [("live", "ringmain:picture"), ("dead", "ringmain:dead")])
def test_the_first_picture_is_timed(
    browser: Browser, tmp_path: Path, album: Path, view: str, mark: str
) -> None:
    with staged(tmp_path / "first", pictures.node(64)) as stage:
        stage.die(died(number) for number in range(10_000))
        times_s = []
        for _ in range(ROUNDS):
            browser.open(f"{stage.url}/#{view}")
            times_s.append(browser.wait(lambda: browser.script(MARK, mark), f"the first picture of {view}"))
        if view == "live":
            assert len(browser.rows("Partitions")) == 64
        else:
            browser.see(".dead-acts", "10,000 messages in all")
    line = (
        f"first picture of {view}: median {median(times_s):.3f} s, {min(times_s):.3f} to {max(times_s):.3f}"
    )
    print(line)
    album.mkdir(parents=True, exist_ok=True)
    (album / f"first-picture-{view}.txt").write_text(line + "\n")
