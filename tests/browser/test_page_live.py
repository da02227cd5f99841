"""The live view in a real Chromium: what is seen of 64 partitions, and what the buttons ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from ringmain.control import (
    Done,
    Pause,
    Peer,
    Quiet,
    Recycle,
    Refused,
    Reload,
    Request,
    Resume,
    Scale,
    Seek,
    Unwell,
)
from support import pictures
from support.admin_stage import Stage, staged
from support.chromium import PHONE, Browser

WELL, UNWELL = pictures.node(64), pictures.unwell()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("live"), WELL) as one:
        yield one


@pytest.fixture
def page(browser: Browser, stage: Stage) -> Browser:
    """The page of a node that is well."""
    stage.supervisor.picture, stage.supervisor.reply = WELL, Done("so be it")
    stage.supervisor.asked.clear()
    browser.open(stage.url)
    browser.reads("#state", "ready")
    return browser


def asked(page: Browser, stage: Stage) -> Request:
    """The one request that came."""
    page.wait(lambda: stage.supervisor.asked, "a request")
    assert len(stage.supervisor.asked) == 1
    return stage.supervisor.asked[0]


def row(page: Browser, table: str, name: str) -> int:
    """The place of the row whose first cell begins so; waits for it."""

    def found() -> int:
        names = [cells[0] for cells in page.rows(table)]
        places = [place for place, text in enumerate(names) if text.startswith(name)]
        assert places, names[:20]
        return places[0] + 1

    return page.wait(found, f"{name} in {table}")


def act(page: Browser, table: str, name: str, label: str) -> None:
    """Press the button of a row."""
    page.press(label, f'table[aria-label="{table}"] tbody tr:nth-child({row(page, table, name)})')


def test_a_node_that_is_well_is_told_at_a_glance(page: Browser) -> None:
    assert page.see("#state").text == "ready"
    assert page.see("header .name").text == "billing @ web-1"
    assert "up 3 h 05 m" in page.see("header .facts").text
    figures = page.see(".figures").text.split("\n")
    assert figures[figures.index("Done/s") + 1] == "12,345"
    assert figures[figures.index("Lag") + 1] == "7,680"
    assert not page.all("#reasons")


def test_each_partition_is_told_with_lag_age_rate_and_eta(page: Browser) -> None:
    rows = page.rows("Partitions")
    assert len(rows) == 64
    assert rows[0][:7] == ["orders/0", "running", "120", "0.4 s", "3,000", "0 s", "11 %"]


def test_what_is_wrong_is_said_first(page: Browser, stage: Stage) -> None:
    stage.supervisor.picture = UNWELL
    page.see("#state", "not ready")
    reasons = [line.text for line in page.all("#reasons li")]
    assert reasons == [f"{one.route} · {one.subject} · {one.reason}" for one in UNWELL.reasons]
    assert page.see("#reasons li.warn", "paused by ada")
    assert page.script("return document.title").startswith("! ")
    assert page.see("tr.alarm").text.startswith("orders/7")
    assert "SIGSEGV" in page.see('table[aria-label="Processes"]').text


def test_partitions_are_sorted_by_a_click_and_narrowed_by_a_word(page: Browser, stage: Stage) -> None:
    stage.supervisor.picture = UNWELL
    page.see("tr.alarm")
    page.press("Lag", 'table[aria-label="Partitions"]')
    assert [cells[0] for cells in page.rows("Partitions")[:2]] == ["orders/7", "orders/9"]
    page.press("Lag", 'table[aria-label="Partitions"]')
    assert page.rows("Partitions")[-1][0] == "orders/7"
    page.fill("#narrow", "standing")
    assert [cells[0] for cells in page.rows("Partitions")] == ["orders/7"]


def test_a_large_group_of_processes_is_one_line_until_it_is_opened(page: Browser) -> None:
    def names() -> list[str]:
        return [cells[0] for cells in page.rows("Processes")]

    assert "feeder orders/63" not in names()
    assert "handler orders/3" in names()
    page.press("", 'table[aria-label="Processes"] tbody tr:nth-child(3)')
    page.wait(lambda: "feeder orders/63" in names(), "the group is open")


def test_a_pause_of_a_route_says_where_and_why(page: Browser, stage: Stage) -> None:
    act(page, "Pools", "orders", "pause…")
    page.fill("dialog select[name=source]", "kafka")
    page.fill("dialog select[name=node]", "web-1")
    page.fill("dialog input[name=reason]", "the database moves")
    page.press("Pause", "dialog")
    assert asked(page, stage) == Pause("orders", source="kafka", node="web-1", reason="the database moves")
    page.see("#said", "so be it")


def test_who_acts_is_told_when_a_name_was_given(browser: Browser, stage: Stage) -> None:
    stage.supervisor.picture = WELL
    stage.supervisor.asked.clear()
    browser.open(stage.url)
    browser.reads("#state", "ready")
    browser.press("Token", "header")
    browser.fill("dialog input[name=operator]", "ada")
    browser.press("Use it", "dialog")
    act(browser, "Partitions", "orders/5", "pause…")
    browser.press("Pause", "dialog")
    assert asked(browser, stage) == Pause("orders", "orders", 5, operator="ada")
    browser.script("sessionStorage.clear()")


def test_an_operators_pause_ends_where_it_is_seen(page: Browser, stage: Stage) -> None:
    stage.supervisor.picture = UNWELL
    page.see(".chip", "paused · orders 9 · the database moves")
    page.press("resume", ".chip")
    assert asked(page, stage) == Resume("orders", "orders", 9)


def test_one_partition_is_paused_and_resumed(page: Browser, stage: Stage) -> None:
    act(page, "Partitions", "orders/5", "pause…")
    page.press("Pause", "dialog")
    assert asked(page, stage) == Pause("orders", "orders", 5)
    stage.supervisor.asked.clear()
    stage.supervisor.picture = UNWELL
    page.see("tr.alarm")
    act(page, "Partitions", "orders/9", "resume")
    assert asked(page, stage) == Resume("orders", "orders", 9)


def test_a_seek_asks_back_and_says_what_it_skips(page: Browser, stage: Stage) -> None:
    act(page, "Partitions", "orders/3", "seek…")
    page.fill("dialog input[name=to]", "10100")
    page.press("Go on…", "dialog")
    page.see("dialog", "100 offsets are skipped")
    assert not stage.supervisor.asked
    page.press("Seek", "dialog")
    assert asked(page, stage) == Seek("orders", 3, "10100", "orders")


def test_who_cancels_has_asked_for_nothing(page: Browser, stage: Stage) -> None:
    for label in ("pause…", "scale…", "recycle…"):
        act(page, "Pools", "orders", label)
        page.press("Cancel", "dialog")
        page.gone("dialog")
    act(page, "Partitions", "orders/3", "seek…")
    page.key("\ue00c")
    page.gone("dialog")
    assert not stage.supervisor.asked


def test_a_pool_is_scaled(page: Browser, stage: Stage) -> None:
    act(page, "Pools", "orders.review", "scale…")
    page.fill("dialog input[name=handlers]", "6")
    page.press("Scale", "dialog")
    assert asked(page, stage) == Scale("orders.review", 6)


@pytest.mark.parametrize(
    ("table", "name", "what"),
    [
        ("Pools", "orders", Recycle(pool="orders")),
        ("Processes", "handler orders/3", Recycle(title="handler orders/3")),
        ("Processes", "courier", Recycle(title="courier")),
    ],
)
def test_processes_are_recycled(page: Browser, stage: Stage, table: str, name: str, what: Recycle) -> None:
    act(page, table, name, "recycle…")
    page.press("Recycle", "dialog")
    assert asked(page, stage) == what


def test_all_processes_are_recycled_at_once(page: Browser, stage: Stage) -> None:
    page.press("Recycle all…", "header")
    page.press("Recycle all", "dialog")
    assert asked(page, stage) == Recycle()


def test_a_reload_shows_first_what_would_change(page: Browser, stage: Stage) -> None:
    stage.supervisor.reply = Done(
        "2 changes", ["routes.orders.handlers 4 -> 8 (live)", "log.level: info -> debug"]
    )
    page.press("Reload…", "header")
    page.see("dialog pre", "routes.orders.handlers 4 -> 8 (live)")
    assert stage.supervisor.asked == [Reload(dry_run=True)]
    page.press("Reload", "dialog")
    page.wait(lambda: stage.supervisor.asked[1:] == [Reload()], "the reload")


def test_quiet_asks_back(page: Browser, stage: Stage) -> None:
    page.press("Quiet…", "header")
    page.see("dialog", "There is no way back")
    page.press("Quiet", "dialog")
    assert asked(page, stage) == Quiet()


def test_a_refusal_is_told_in_the_supervisors_words(page: Browser, stage: Stage) -> None:
    stage.supervisor.reply = Refused("64 handlers are the most that fit this ring")
    act(page, "Pools", "orders", "scale…")
    page.press("Scale", "dialog")
    page.see("#said .bad", "64 handlers are the most that fit this ring")
    page.press("dismiss", "#said")
    page.gone("#said .bad")


def test_a_silent_supervisor_is_told_and_an_old_picture_never_looks_new(page: Browser, stage: Stage) -> None:
    stage.supervisor.picture = None
    page.see("#silence", "what is below is")
    assert page.see("#state").text == "no answer"
    assert page.script("return document.body.classList.contains('silent')")
    stage.supervisor.picture = WELL
    page.reads("#state", "ready")
    page.gone("#silence")


def test_other_nodes_are_listed_with_links_that_are_addresses(page: Browser, stage: Stage) -> None:
    hostile = Peer("web-3", {}, "javascript:alert(1)", 99.0, "gone")
    stage.supervisor.picture = replace(WELL, peers=[*WELL.peers, hostile])
    row(page, "Nodes", "web-3")
    assert page.rows("Nodes")[1][:2] == ["web-2", "orders 2: orders/4-5"]
    assert page.rows("Nodes")[2] == ["web-3", "none", "gone", "1 m 39 s ago"]
    links = page.script("return [...document.querySelectorAll('main a')].map((a) => a.href)")
    assert links == ["http://web-2:8100/"]


def test_what_a_node_says_is_never_markup(page: Browser, stage: Stage) -> None:
    evil = "<img src=x onerror='window.owned=1'><script>window.owned=1</script>"
    stage.supervisor.picture = replace(WELL, ready=False, reasons=[Unwell(evil, evil, evil)], name=evil)
    page.see("#reasons", "<script>")
    assert page.script("return window.owned === undefined && !document.querySelector('img')")


def test_the_last_minutes_are_drawn(page: Browser) -> None:
    page.wait(lambda: len(page.all("figure.chart canvas")) == 3, "three charts")
    page.see("figure.chart", "done 12,345/s")
    page.see("figure.chart", "retry 1.5/s")
    page.see("figure.chart", "orders 7,680")


def test_charts_whose_code_does_not_come_are_said_and_the_rest_is_there(
    browser: Browser, stage: Stage
) -> None:
    with browser.without("*/charts.js"):
        browser.open(stage.url)
        browser.see("#charts", "No charts")
        assert len(browser.rows("Partitions")) == 64
    browser.open(stage.url)
    browser.wait(lambda: len(browser.all("figure.chart canvas")) == 3, "charts")


def test_the_keyboard_is_enough(page: Browser, stage: Stage) -> None:
    page.key("?")
    page.see("dialog .keys", "narrow the partitions")
    page.key("\ue00c")
    page.gone("dialog")
    page.key("/")
    page.key("orders/63")
    page.wait(lambda: [cells[0] for cells in page.rows("Partitions")] == ["orders/63"], "narrowed")
    page.key("\ue00c")
    page.key("d")
    page.see("#view-dead")
    page.key("l")
    page.see("#view-live")
    page.script("document.querySelector('td.acts button').focus()")
    page.key("\ue007")
    page.see("dialog", "Pause orders?")
    assert page.script("return document.activeElement.name") == "source"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "size", [(1440, 900), (1920, 1080), (900, 1100), PHONE], ids=["laptop", "wide", "tablet", "phone"]
)
def test_it_is_readable_at_any_size(
    browser: Browser, stage: Stage, album: Path, size: tuple[int, int], scheme: str
) -> None:
    stage.supervisor.picture = UNWELL
    browser.open(stage.url, size, scheme)
    browser.see("tr.alarm")
    browser.wait(lambda: len(browser.all("figure.chart canvas")) == 3, "charts")
    browser.picture(album / f"live-{size[0]}-{scheme}.png")
    assert browser.script("return document.documentElement.scrollWidth <= window.innerWidth")
