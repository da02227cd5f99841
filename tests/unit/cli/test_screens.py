"""A node's screen: what is wrong comes first, what is well is short, and it fits into 80x24."""

import io
import re

import pytest
from msgspec.structs import replace
from rich.console import Console

from ringmain.cli.keys import named
from ringmain.cli.panels import ALL, FEW, needs_a_look, screen
from ringmain.cli.top import View
from ringmain.control import Node, PausedBy
from support.pictures import node, partition, pool, unwell


def shown(picture: Node, few: int = FEW, width: int = 160) -> str:
    """The screen as plain text."""
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(screen(picture, few))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def drawn(view: View, width: int = 80, height: int = 24) -> list[str]:
    """The lines of a terminal of this size."""
    console = Console(
        file=io.StringIO(), width=width, height=height, highlight=False, markup=False, emoji=False
    )
    lines = console.render_lines(view, console.options.update(height=height), pad=False)
    return ["".join(segment.text for segment in line).rstrip() for line in lines]


def test_a_node_that_is_well_is_said_in_few_lines() -> None:
    said = shown(node(64))
    assert "ready" in said
    assert "64 partitions, 7,680 messages behind; none needs a look" in said
    assert "73 processes" not in said or "all ok" in said
    assert "all ok" in said
    assert len(said.splitlines()) <= 20


def test_why_it_is_not_ready_comes_before_everything_else() -> None:
    lines = shown(unwell()).splitlines()
    assert "NOT READY" in lines[0]
    assert [line.strip().split(":")[0] for line in lines[1:4]] == ["orders/7", "handler orders/2", "orders/9"]


def test_partitions_that_need_a_look_are_shown_the_standing_first() -> None:
    said = shown(unwell())
    assert "2 need a look" not in said
    assert "64 partitions" in said
    assert "2 shown" in said
    table = said.partition("PARTITION")[2].splitlines()[1:3]
    assert [re.split(r"\s{2,}", line)[0] for line in table] == ["orders/7", "orders/9"]
    assert table[0].endswith("standing")


def test_with_room_for_all_every_partition_and_process_has_its_line() -> None:
    said = shown(unwell(), ALL)
    for number in range(64):
        assert f"orders/{number} " in said
    assert "handler orders/3" in said


@pytest.mark.parametrize(
    ("changes", "worth"),
    [
        ({}, False),
        ({"state": "paused"}, True),
        ({"state": "standing"}, True),
        ({"eta_s": None}, False),
        ({"eta_s": None, "lag_s": 30.0}, True),
        ({"eta_s": None, "rate_per_s": 0.0}, True),
        ({"eta_s": None, "lag": 0}, False),
        ({"lag_s": 300.0}, False),
        ({"lag": -1, "end": -1, "eta_s": None}, False),
    ],
)
def test_a_partition_needs_a_look_when_it_does_not_simply_flow(
    changes: dict[str, object], worth: bool
) -> None:
    assert needs_a_look(partition(0, **changes)) is worth


def test_a_process_that_is_not_ok_says_why() -> None:
    said = shown(unwell())
    assert "73 processes" in said or "processes, 1 not ok; 17 restarts" in said
    assert "crash loop: killed by SIGSEGV" in said


def test_who_paused_what_since_when_and_why_is_below_the_pools() -> None:
    assert "orders/9 is paused: operator ada since 2023-11-14 22:18:20Z: the database moves" in shown(
        unwell()
    )


def test_a_pause_by_the_circuit_breaker_names_it() -> None:
    flooded = pool("orders", paused=[PausedBy("flood", "61 of 100 calls failed", source="kafka")])
    assert "orders, what comes from Kafka, is paused: flood: 61 of 100 calls failed" in shown(
        replace(node(), pools=[flooded])
    )


def test_queues_that_are_away_are_said_with_their_reason() -> None:
    said = shown(replace(node(), queues_away="web-q: Connection refused", queues=[]))
    assert "the queues are away: web-q: Connection refused" in said


def test_other_nodes_are_listed_with_their_pages() -> None:
    [line] = [line for line in shown(node()).splitlines() if line.startswith("web-2")]
    assert re.split(r"\s{2,}", line) == ["web-2", "2 of orders", "3.0 s ago", "http://web-2:8100"]


def test_a_node_of_which_nothing_is_known_yet_has_a_screen() -> None:
    bare = replace(
        node(), state="starting", ready=False, pools=[], partitions=[], processes=[], rings=[], queues=[],
        peers=[],
    )  # fmt: skip
    said = shown(bare)
    assert "starting" in said
    assert "no partition is owned here" in said


@pytest.mark.parametrize("picture", [node(), unwell()], ids=["well", "unwell"])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 10), (200, 60)])
def test_top_never_leaves_its_terminal(picture: Node, width: int, height: int) -> None:
    lines = drawn(View(picture), width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


def test_in_80x24_top_shows_readiness_rates_lag_and_what_is_wrong_unscrolled() -> None:
    said = "\n".join(drawn(View(unwell())))
    for word in ("NOT READY", "orders/7: stands still", "DONE/S", "12,345", "LAG", "standing", "done/s"):
        assert word in said


def test_top_scrolls_to_the_end_and_back_and_no_further() -> None:
    view = View(unwell())
    view.press("all")
    first = drawn(view)
    view.press("end")
    last = drawn(view)
    assert "http://web-2:8100" in "\n".join(last)
    assert "lines below" in first[-1]
    assert "lines below" not in last[-1]
    view.press("down")
    assert drawn(view) == last
    view.press("page up")
    assert drawn(view) != last
    view.press("home")
    assert drawn(view) == first


def test_a_paused_top_says_so() -> None:
    view = View(node())
    view.press("pause")
    assert "PAUSED" in drawn(view)[-1]
    assert view.frozen
    view.press("pause")
    assert not view.frozen


def test_a_node_that_is_silent_leaves_the_last_picture_with_the_reason_above() -> None:
    view = View(node())
    view.silence = "nothing answers at run/shop.control"
    lines = drawn(view)
    assert lines[0].startswith("no answer: nothing answers at run/shop.control")
    assert any(line.startswith("billing on web-1: ready") for line in lines)
    view.take(node())
    assert "no answer" not in "\n".join(drawn(view))


def test_the_line_of_rates_grows_with_each_picture() -> None:
    view = View(node())
    slower = replace(node(), pools=[pool("orders", rates_per_s={"done": 6_000.0})])
    view.take(slower)
    assert drawn(view)[0] == "done/s 6,000 █▄"


@pytest.mark.parametrize(
    ("pressed", "keys"),
    [
        ("q", ["quit"]),
        ("\x1b[A\x1b[B", ["up", "down"]),
        ("\x1bOB", ["down"]),
        ("\x1b[5~x\x1b[6~", ["page up", "page down"]),
        ("jkp", ["down", "up", "pause"]),
        ("\x1b", []),
        ("ü", []),
    ],
)
def test_keys_are_what_terminals_send(pressed: str, keys: list[str]) -> None:
    assert named(pressed) == keys
