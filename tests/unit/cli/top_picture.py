"""README's picture of `ringmain top`: a node that somebody is called for, in a terminal of 80x24.

test_top_picture.py compares; `PYTHONPATH=tests python tests/unit/cli/top_picture.py` draws it anew.
"""

import html
import io
import re

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from ringmain.cli.top import View
from support.pictures import pool, unwell
from support.sources import CHECKOUT

PLACE = CHECKOUT / ".pictures" / "top.svg"
RATES = [12_000 + 900 * ((number * 7) % 11) - 450 * ((number * 3) % 8) for number in range(120)]

# A picture fetches nothing: where Fira Code is not installed, another monospaced font serves.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
_TEXT = re.compile(r"<text class=\"ringmain-top-(?!title)[^>]*>(.*?)</text>", re.DOTALL)


def draw() -> str:
    """The picture as SVG."""
    view = View(unwell(12))
    view.rates = [float(number) for number in RATES] + [pool("orders").rates_per_s["done"]]
    console = Console(
        record=True, width=80, height=24, file=io.StringIO(), force_terminal=True, color_system="truecolor",
        highlight=False, markup=False, emoji=False, legacy_windows=False,
    )  # fmt: skip
    console.print(view, height=24)
    return console.export_svg(title="ringmain top billing", code_format=_FORMAT, unique_id="ringmain-top")


def words(svg: str) -> list[str]:
    """What is written in it, piece by piece."""
    return [html.unescape(piece).replace("\xa0", " ").strip() for piece in _TEXT.findall(svg)]


if __name__ == "__main__":
    PLACE.parent.mkdir(exist_ok=True)
    PLACE.write_text(draw(), encoding="utf-8")
