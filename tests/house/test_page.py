"""The page's own laws: no text becomes markup, nothing comes from elsewhere, each module says why it is."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from support.sources import PACKAGE

PAGE = PACKAGE / "admin" / "page"
SCRIPTS = sorted(PAGE.glob("*.js"))
OWN = [*SCRIPTS, PAGE / "index.html", PAGE / "page.css"]
LONGEST_LINES, LONGEST_LINE = 400, 120

# Each turns a string into markup or into code.
SINKS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|setHTML"
    r"|\beval\b|new Function|srcdoc|javascript:|setTimeout\(\s*[\"'`]"
)
ELSEWHERE = re.compile(r"(?:https?:)?//[\w-]+\.[\w.-]+")


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_no_text_becomes_markup_or_code(path: Path) -> None:
    found = [line for line in path.read_text().splitlines() if SINKS.search(line)]
    assert not found, f"{path.name}: {found}"


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_nothing_is_loaded_from_elsewhere(path: Path) -> None:
    assert not ELSEWHERE.search(path.read_text())


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_module_says_what_it_is_for_and_fits_its_reader(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0].startswith("// "), f"{path.name} does not say what it is for"
    assert len(lines) <= LONGEST_LINES
    assert [line for line in lines if len(line) > LONGEST_LINE] == []


class Links(HTMLParser):
    """What the document loads, and every attribute that would need an inline rule."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: dict[str, list[str]] = {}
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.inline += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        if tag in ("style",) or (tag == "script" and "src" not in known):
            self.inline.append(tag)
        if address := known.get("src") or known.get("href"):
            self.addresses.setdefault(known.get("rel") or tag, []).append(address)


def test_the_document_holds_no_script_or_style_and_names_every_module() -> None:
    links = Links()
    links.feed((PAGE / "index.html").read_text())
    assert links.inline == []
    # PERF: charts.js is fetched after the first picture; page.js is the document's own script.
    later = {"charts.js", "page.js"}
    assert sorted(links.addresses["modulepreload"]) == sorted(
        f"page/{path.name}" for path in SCRIPTS if path.name not in later
    )


def test_what_is_not_ours_stands_apart_with_its_licence() -> None:
    vendored = {path.name for path in (PAGE / "vendor").iterdir()}
    assert vendored == {"uPlot.esm.js", "uPlot.min.css", "uPlot-LICENSE.txt"}
