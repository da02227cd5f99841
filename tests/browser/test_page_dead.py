"""The dead set in a real Chromium, over the real admin and a real SQLite file."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from ringmain.queues.envelope import Envelope
from support import pictures
from support.admin_stage import Stage, staged
from support.chromium import PHONE, Browser
from support.dead_messages import died

LARGE_BYTES = 10_000_000
NOTHING = "\u2013"
NUMBERS = b'{"id": 12345678901234567890, "rate": 1.0, "name":"\xc3\xa9"}'
EVIL = "<img src=x onerror='window.owned=1'><script>window.owned=1</script>\x1b[31m\u202egnp"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path / "dead", pictures.node(4)) as one:
        yield one


def opened(browser: Browser, stage: Stage, address: str = "#dead") -> Browser:
    browser.open(f"{stage.url}/{address}")
    browser.see('table[aria-label="Dead messages"] tbody tr')
    return browser


def shown(page: Browser) -> list[str]:
    """The message ids of the list."""
    return [cells[3] for cells in page.rows("Dead messages")]


def _has(page: Browser, count: int) -> bool:
    return len(shown(page)) == count


def read(page: Browser, message_id: str) -> None:
    """Open one in full."""
    page.press(message_id, 'table[aria-label="Dead messages"]')
    page.see(".entry h2", message_id)


def ended(page: Browser, state: str = "done") -> list[str]:
    """The newest job's row, once it has ended so."""
    page.wait(lambda: page.rows("Jobs") and page.rows("Jobs")[0][1] == state, f"a job that is {state}")
    return page.rows("Jobs")[0]


def test_the_dead_are_counted_and_listed_a_page_at_a_time(browser: Browser, stage: Stage) -> None:
    stage.die(died(number) for number in range(120))
    page = opened(browser, stage)
    page.see(".dead-acts", "120 messages in all")
    assert shown(page) == [f"orders:0:{number}" for number in range(50)]
    assert [cells[:2] for cells in page.rows("Counts")] == [
        ["108", "orders · shop.Declined"],
        ["12", "orders · KeyError"],
    ]
    page.press("Next")
    page.see(".panel", "51 to 100 of 120")
    page.key("n")
    page.see(".panel", "101 to 120 of 120")
    assert shown(page)[-1] == "orders:0:119"
    page.key("p")
    page.wait(lambda: shown(page)[0] == "orders:0:50", "the page before")


def test_every_filter_narrows_and_is_kept_in_the_address(browser: Browser, stage: Stage) -> None:
    stage.die(
        died(number, topic="orders" if number < 20 else "late", partition=number % 3) for number in range(30)
    )
    stage.die([died(99, error_class="shop.Slow")], channel="review")
    page = opened(browser, stage)
    for filters, count in [
        ({"error": "KeyError"}, 3), ({"topic": "late"}, 10), ({"partition": "2"}, 10), ({"key": "k7"}, 1),
        ({"where": "id=5"}, 1), ({"text": "no 12"}, 1), ({"channel": "review"}, 1), ({"since": "1h"}, 0),
        ({"until": "1h"}, 31), ({"route": "orders", "error": "Declined", "topic": "late"}, 9),
    ]:  # fmt: skip
        page.press("Clear", ".filters")
        for name, value in filters.items():
            page.fill(f".filters input[name={name}]", value)
        page.press("Filter", ".filters")
        page.see(
            ".dead-acts",
            f"{count} message{'' if count == 1 else 's'} pass" if count != 31 else "31 messages pass",
        )
        page.wait(partial(_has, page, count), f"{count} of {filters}")
    page.driver.refresh()
    page.see(".dead-acts", "9 messages pass the filter")
    assert page.see(".filters input[name=error]").get_property("value") == "Declined"


def test_a_group_of_the_counts_leads_to_its_messages(browser: Browser, stage: Stage) -> None:
    stage.die(died(number) for number in range(30))
    page = opened(browser, stage)
    page.press("orders · KeyError", 'table[aria-label="Counts"]')
    page.wait(lambda: shown(page) == ["orders:0:0", "orders:0:10", "orders:0:20"], "those of the group")
    page.fill("select[aria-label='Count by']", "hour")
    page.press("Clear", ".filters")
    group = page.wait(lambda: page.see('table[aria-label="Counts"] button', "1970-01-01").text, "the hour")
    page.press(group, 'table[aria-label="Counts"]')
    page.see(".dead-acts", "30 messages pass the filter")
    assert page.see(".filters input[name=since]").get_property("value") == "1970-01-01T00:00:00.000Z"


def test_one_is_read_with_headers_traceback_and_value(browser: Browser, stage: Stage) -> None:
    stage.die([died(1, value=NUMBERS, headers=[("trace", b"abc"), ("trace", None), ("raw", b"\xff\x00")])])
    page = opened(browser, stage)
    read(page, "orders:0:1")
    page.see(".entry .error", "shop.Declined no 1")
    page.see(".traceback", "Traceback\n  line")
    headers = page.script(
        "return Array.from(document.querySelectorAll('.headers tr'), (row) => row.innerText.split('\\t'))"
    )
    assert headers == [["trace", "abc"], ["trace", NOTHING], ["raw", "base64 /wA="]]
    assert page.see("pre.value").text == '{\n  "id": 12345678901234567890,\n  "rate": 1.0,\n  "name": "é"\n}'
    page.press("Text", ".entry")
    assert page.see("pre.value").text == NUMBERS.decode()
    page.press("Hex", ".entry")
    page.see("pre.value", '00000000  7b 22 69 64 22 3a 20 31  32 33 34 35 36 37 38 39  {"id": 123456789')


def test_bytes_that_are_no_text_are_shown_as_hex(browser: Browser, stage: Stage) -> None:
    stage.die([died(1, value=bytes(range(256)))])
    page = opened(browser, stage)
    read(page, "orders:0:1")
    assert [one.text for one in page.all(".entry .tab")] == ["Text", "Hex"]
    page.press("Hex", ".entry")
    page.see("pre.value", "000000f0  f0 f1 f2 f3 f4 f5 f6 f7  f8 f9 fa fb fc fd fe ff")


def test_a_hostile_message_is_text_and_its_control_signs_are_seen(
    browser: Browser, stage: Stage, album: Path
) -> None:
    evil = EVIL.encode()
    everywhere = {"error_class": EVIL, "error_message": EVIL, "traceback": EVIL}
    stage.die([died(1, value=evil, key=evil, headers=[(EVIL, evil)], **everywhere)])
    stage.die([died(2, value=json.dumps({EVIL: EVIL}).encode())])
    page = opened(browser, stage)
    read(page, "orders:0:1")
    for place in ("pre.value", ".traceback", ".headers", ".facts-grid", ".entry .error"):
        page.see(place, "<script>window.owned=1</script>\\x1b[31m\\u202egnp")
    page.picture(album / "hostile.png")
    page.press("Edit and replay…", ".entry")
    read(page, "orders:0:2")
    page.see("pre.value", "<script>")
    assert page.script(
        "return window.owned === undefined && !document.querySelector('img, script:not([src])')"
    )


def test_ten_megabytes_are_cut_shown_whole_and_saved_as_they_are(browser: Browser, stage: Stage) -> None:
    value = b'{"rows":[' + b",".join(b'{"n":%d,"text":"%s"}' % (n, b"x" * 80) for n in range(100_000)) + b"]}"
    assert len(value) > LARGE_BYTES
    stage.die([died(1, value=value)])
    page = opened(browser, stage)
    read(page, "orders:0:1")
    page.see(".more", "the first 64.0 KiB of")
    assert page.script("return document.querySelector('pre.value').textContent.length") < 100_000
    page.press("show all", ".more")
    page.wait(
        lambda: page.script("return document.querySelector('pre.value').textContent.length") > LARGE_BYTES
    )
    page.press("Edit and replay…", ".entry")
    page.see(".editor", "--edit FILE")
    page.press("download", ".entry")
    file = page.downloads / "orders_0_1.json"
    page.wait(lambda: file.exists() and file.stat().st_size == len(value), "the file")
    assert hashlib.sha256(file.read_bytes()).digest() == hashlib.sha256(value).digest()
    file.unlink()


def test_an_edited_value_goes_out_and_nothing_else_of_it_changes(browser: Browser, stage: Stage) -> None:
    stage.die([died(1, value=b'{"id":12345678901234567890,"amount":-1,"rate":1.0}', key=b"k")])
    page = opened(browser, stage)
    read(page, "orders:0:1")
    page.key("e")
    area = page.see(".editor textarea")
    text = str(area.get_property("value"))
    page.set_value(".editor textarea", text[:-1])
    page.see(".wrong", "no JSON")
    assert not page.see(".editor button[type=submit]").is_enabled()
    page.set_value(".editor textarea", text.replace("-1", "1"))
    page.press("Replay 1 with this value", ".editor")
    ended(page)
    sent = stage.ready()
    assert [one.value for one in sent] == [b'{"id":12345678901234567890,"amount":1,"rate":1.0}']
    assert (sent[0].key, sent[0].attempt, sent[0].replayed) == (b"k", 1, True)
    assert stage.dead() == 0


def test_one_is_replayed_and_one_is_deleted_after_a_question(browser: Browser, stage: Stage) -> None:
    stage.die(died(number) for number in range(3))
    page = opened(browser, stage)
    read(page, "orders:0:0")
    page.press("Delete…", ".entry")
    page.see("dialog", "Delete 1 message?")
    page.press("Cancel", "dialog")
    assert stage.dead() == 3
    page.key("D")
    page.press("Delete 1", "dialog")
    page.wait(lambda: shown(page) == ["orders:0:1", "orders:0:2"], "one is gone")
    page.key("j")
    page.see(".entry h2", "orders:0:1")
    page.key("r")
    page.press("Replay 1", "dialog")
    page.wait(lambda: shown(page) == ["orders:0:2"], "another is gone")
    assert [one.offset for one in stage.ready()] == [1]


def test_those_chosen_are_replayed(browser: Browser, stage: Stage) -> None:
    stage.die(died(number) for number in range(5))
    page = opened(browser, stage)
    for number in (1, 3):
        page.see(f"input[aria-label='Choose orders:0:{number}']").click()
    page.press("Replay 2…", ".dead-acts")
    page.see("dialog", "Replay 2 messages?")
    page.press("Replay 2", "dialog")
    assert ended(page)[2] == "2 of 2"
    page.wait(lambda: shown(page) == [f"orders:0:{number}" for number in (0, 2, 4)], "the others stay")


def test_those_of_a_filter_are_counted_first_and_then_deleted(browser: Browser, stage: Stage) -> None:
    stage.die(died(number) for number in range(40))
    page = opened(browser, stage, "#dead?error=KeyError")
    page.see(".dead-acts", "4 messages pass the filter")
    page.press("Delete these…", ".dead-acts")
    page.see("dialog", "Delete 4 messages?")
    page.see("dialog", "error KeyError")
    page.press("Delete 4", "dialog")
    assert ended(page)[2:4] == ["4 of 4", "0"]
    assert stage.dead() == 36


def test_everything_is_deleted_only_when_its_number_was_typed(browser: Browser, stage: Stage) -> None:
    stage.die(died(number) for number in range(12))
    page = opened(browser, stage)
    page.press("Delete these…", ".dead-acts")
    page.see("dialog", "Delete 12 messages?")
    assert not page.see("dialog button[type=submit]").is_enabled()
    page.fill("dialog input[name=typed]", "12")
    page.press("Delete 12", "dialog")
    assert ended(page)[2] == "12 of 12"
    assert stage.dead() == 0


def test_a_job_is_watched_and_cancelled(browser: Browser, stage: Stage) -> None:
    stage.die(died(number) for number in range(400))
    page = opened(browser, stage)
    page.press("Replay these…", ".dead-acts")
    page.fill("dialog input[name=rate]", "20")
    page.fill("dialog input[name=limit]", "300")
    page.press("Replay 400", "dialog")
    page.wait(lambda: page.rows("Jobs") and page.rows("Jobs")[0][1] == "running", "it runs")
    page.wait(lambda: int(page.rows("Jobs")[0][2].split()[0]) > 0, "it goes on")
    page.press("cancel…", 'table[aria-label="Jobs"]')
    page.see("dialog", "are done and stay so")
    page.press("Cancel the job", "dialog")
    done = int(ended(page, "cancelled")[2].split()[0])
    assert stage.dead() == 400 - done > 0


def test_the_second_of_two_operators_is_told_who_has_it_in_hand(browser: Browser, stage: Stage) -> None:
    stage.die(died(number) for number in range(3))
    page = opened(browser, stage)
    with closing(stage.queues.dead_set()) as dead_set, closing(dead_set.hold("ada")):
        page.press("Replay these…", ".dead-acts")
        page.press("Replay 3", "dialog")
        page.see("#said .bad", "ada")
    assert stage.dead() == 3


def test_a_token_is_asked_for_and_one_that_only_reads_is_told_so(browser: Browser, tmp_path: Path) -> None:
    tokens = 'admin.token = "open-sesame"\nadmin.read_token = "look"'
    with staged(tmp_path / "locked", pictures.node(4), tokens) as stage:
        stage.die([died(1)])
        browser.open(f"{stage.url}/#dead")
        browser.fill("dialog input[name=token]", "wrong")
        browser.press("Use it", "dialog")
        browser.see("#silence", "this token is not accepted")
        for token, answer in (("look", "may only read"), ("open-sesame", "job ")):
            browser.press("Token", "header")
            browser.fill("dialog input[name=token]", token)
            browser.press("Use it", "dialog")
            browser.reads("#state", "ready")
            browser.wait(lambda: shown(browser) == ["orders:0:1"], "the dead")
            browser.see("input[aria-label='Choose orders:0:1']").click()
            browser.press("Delete 1…", ".dead-acts")
            browser.press("Delete 1", "dialog")
            browser.see("#said", answer)
            browser.driver.refresh()
            browser.reads("#state", "ready")
        assert stage.dead() == 0


def test_it_is_readable_on_a_phone_and_in_the_dark(browser: Browser, stage: Stage, album: Path) -> None:
    stage.die(_varied(number) for number in range(200))
    for size, scheme in (((1440, 900), "light"), ((1440, 900), "dark"), (PHONE, "light")):
        browser.open(f"{stage.url}/#dead", size, scheme)
        browser.see('table[aria-label="Dead messages"] tbody tr')
        browser.picture(album / f"dead-{size[0]}-{scheme}.png")
        read(browser, "orders:0:3")
        browser.see("pre.value")
        browser.picture(album / f"entry-{size[0]}-{scheme}.png")
        assert browser.script("return document.documentElement.scrollWidth <= window.innerWidth")
    browser.open(f"{stage.url}/#dead")
    browser.see('table[aria-label="Dead messages"] tbody tr')
    browser.press("Replay these…", ".dead-acts")
    browser.see("dialog", "Replay 200 messages?")
    browser.picture(album / "replay.png")


def _varied(number: int) -> Envelope:
    """As a shop's would look."""
    customer = f"c{number % 17}"
    order = {"id": 70_000 + number, "customer": customer, "amount": 4.11, "items": [{"sku": "A1", "n": 2}]}
    kinds = [
        ("shop.payments.Declined", f"card of {customer} declined: insufficient funds"),
        ("builtins.KeyError", "'amount'"),
        ("msgspec.ValidationError", "Expected `float`, got `str` - at `$.amount`"),
    ]
    name, reason = kinds[0 if number % 5 else 1 + number % 2]
    trace = (
        'Traceback (most recent call last):\n  File "shop/orders.py", line 41, in handle\n    charge(order)\n'
    )
    moment_ms = 1_763_700_000_000 + number * 977
    return died(
        number, value=json.dumps(order, separators=(",", ":")).encode(), key=customer.encode(),
        error_class=name, error_message=reason, traceback=f"{trace}{name}: {reason}\n",
        headers=[("trace-id", b"4bf92f3577b34da6")], timestamp_ms=moment_ms,
        first_failed_ms=moment_ms + 100_000, failed_ms=moment_ms + 8_000_000,
    )  # fmt: skip
