"""The same application five times: README's count of lines is true, and ringmain's one does what it says."""

import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringmain import Dead
from ringmain.loading import load_app
from ringmain.testing import Harness
from support.sources import CHECKOUT

PROGRAMS = CHECKOUT / "bench" / "peers" / "same_app"
TEXT = (CHECKOUT / "README.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| \[(\w+)\]\((bench/peers/same_app/\w+)\) \| (\d+) \|", re.MULTILINE)
COMMENT = ("#", ";")


def lines_of(folder: Path) -> int:
    """Lines of code and config, neither blank nor a comment."""
    texts = [path.read_text(encoding="utf-8") for path in folder.iterdir() if path.is_file()]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    return sum(bool(line) and not line.startswith(COMMENT) for line in lines)


def test_the_readmes_table_has_every_program_with_its_lines() -> None:
    said = {name.lower(): (path, int(lines)) for name, path, lines in ROW.findall(TEXT)}
    found = {folder.name: folder for folder in PROGRAMS.iterdir() if folder.is_dir()}
    assert said == {
        name: (folder.relative_to(CHECKOUT).as_posix(), lines_of(folder)) for name, folder in found.items()
    }


def test_every_other_program_is_longer() -> None:
    lines = {folder.name: lines_of(folder) for folder in PROGRAMS.iterdir() if folder.is_dir()}
    assert all(count > lines["ringmain"] for name, count in lines.items() if name != "ringmain"), lines


@pytest.mark.parametrize("name", ["faststream", "faust"])
def test_the_other_programs_in_python_compile(name: str) -> None:
    compile((PROGRAMS / name / "orders.py").read_text(encoding="utf-8"), name, "exec")


@pytest.fixture
def bills() -> list[object]:
    """What was billed; ids from 100 on fail."""
    return []


@pytest.fixture
def harness(bills: list[object], monkeypatch: pytest.MonkeyPatch) -> Iterator[Harness]:
    """ringmain's program over somebody else's `bill`."""

    def bill(order: object) -> None:
        bills.append(order)
        if order.id >= 100:  # type: ignore[attr-defined]
            raise ConnectionError("the bank is away")

    billing = types.ModuleType("billing")
    billing.bill = bill  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "billing", billing)
    monkeypatch.delitem(sys.modules, "orders", raising=False)
    monkeypatch.syspath_prepend(str(PROGRAMS / "ringmain"))
    app = load_app(types.SimpleNamespace(app="orders:app", folder=""))
    with Harness(app, PROGRAMS / "ringmain" / "ringmain.toml") as made:
        yield made
    sys.modules.pop("orders")


def test_ringmains_program_bills_an_order(harness: Harness, bills: list[object]) -> None:
    result = harness.send("orders", {"id": 1, "customer": "ada", "amount": 2.5})
    assert (result.outcome, len(bills)) == (None, 1)


@pytest.mark.parametrize("value", [b"{", {"id": "1"}, {"id": 1, "customer": "ada", "amount": 0}])
def test_ringmains_program_puts_what_is_no_order_into_the_dead_set(
    harness: Harness, bills: list[object], value: object
) -> None:
    result = harness.send("orders", value)
    assert isinstance(result.outcome, Dead)
    assert result.dead is not None
    assert result.dead.error_message
    assert bills == []


def test_ringmains_program_tries_again_after_5_and_10_s_and_lets_others_pass(harness: Harness) -> None:
    failing = harness.begin("orders", {"id": 100, "customer": "ada", "amount": 1})
    harness.advance()
    assert harness.send("orders", {"id": 1, "customer": "bob", "amount": 1}).steps[0].at_s == 0
    harness.advance(60)
    assert [step.at_s for step in failing.result.steps] == [0, 5, 15]
    assert isinstance(failing.result.outcome, Dead)
