"""The page of a whole daemon: what is pressed in Chromium is done by its processes."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ringmain.config.load import load
from ringmain.queues import names
from ringmain.queues.connect import connect
from ringmain.queues.envelope import Envelope
from support.chromium import Browser
from support.dead_messages import died
from support.kafka_client import KafkaClient
from support.kafka_server import KafkaServer
from support.ports import free_port
from support.queue_backends import publish
from support.scenario import Daemon

APP = """
from pathlib import Path
from ringmain import App

app = App()

@app.route("orders")
def handle(order: dict) -> None:
    with open(Path(__file__).with_name("handled"), "a") as file:
        file.write(f"{order['id']}\\n")
"""
CONFIG = """
app = "shop:app"
name = "billing"
node = "web-1"
modes = [{kafka_in}"worker", "api-server", "management-api"]
runtime_dir = "{folder}/run"
state_dir = "{folder}/state"
admin.bind = "127.0.0.1:{port}"
kafka."bootstrap.servers" = "{bootstrap}"
commit.interval_s = 0.2
kafka."group.id" = "billing"
queues.backend = "sqlite"
queues.path = "{folder}/queues.db"
routes.orders = {{ topics = ["orders"], order = "none", handlers = 2 }}
"""


class Shop:
    """A daemon; without Kafka what it handles comes out of its dead set."""

    def __init__(self, folder: Path, bootstrap: str = "") -> None:
        self.folder = folder
        (folder / "shop.py").write_text(APP)
        path = folder / "ringmain.toml"
        known = {
            "bootstrap": bootstrap or "127.0.0.1:1",
            "kafka_in": '"stream-worker", ' if bootstrap else "",
        }
        path.write_text(CONFIG.format(folder=folder, port=free_port(), **known))
        self.config = load(path)
        self.daemon = Daemon(path, folder / "log.jsonl", [])

    def die(self, *numbers: int) -> None:
        """Put these into the dead set."""
        dead: list[Envelope] = [died(number) for number in numbers]
        with closing(connect(self.config).publisher()) as publisher:
            publish(publisher, names.dead("billing", "orders"), dead)

    def handled(self) -> list[int]:
        """What the handlers have written down."""
        path = self.folder / "handled"
        return sorted(map(int, path.read_text().split())) if path.exists() else []


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    one = Shop(tmp_path)
    yield one
    print(one.daemon.log_text()[-6000:])
    one.daemon.stop()


@pytest.fixture
def page(browser: Browser, shop: Shop) -> Browser:
    """The page of a daemon whose handlers are at work."""
    return opened(browser, shop)


def opened(browser: Browser, shop: Shop) -> Browser:
    """Its page, once it is ready."""
    browser.wait(lambda: shop.daemon.log("listening"), "the admin listens")
    browser.open(f"http://{shop.config.admin.bind}")
    browser.reads("#state", "ready")
    browser.wait(lambda: cell(browser, "Handlers") == "2", "both handlers")
    return browser


def cell(page: Browser, column: str) -> str:
    """Of the only pool."""
    heads = page.script(
        "const heads = document.querySelectorAll('table[aria-label=Pools] th[scope=col]');"
        "return Array.from(heads, (head) => head.innerText.trim());"
    )
    rows = page.rows("Pools")
    return rows[0][heads.index(column)] if rows else ""


def partition(page: Browser) -> list[str]:
    """The row of the only one."""
    rows = page.rows("Partitions")
    return rows[0] if rows else []


def handlers(shop: Shop, count: int) -> set[int]:
    """Their process ids, if there are so many now."""
    found = set(shop.daemon.children("handler", "orders").values())
    return found if len(found) == count else set()


def replay_all(page: Browser, count: int) -> None:
    """From the dead set."""
    page.key("d")
    page.see(".dead-acts", f"{count} message")
    page.press("Replay these…", ".dead-acts")
    page.press(f"Replay {count}", "dialog")
    page.wait(lambda: page.rows("Jobs") and page.rows("Jobs")[0][1] == "done", "the job is done")


def test_what_is_replayed_on_the_page_is_handled(page: Browser, shop: Shop) -> None:
    shop.die(1, 2, 3)
    replay_all(page, 3)
    page.wait(lambda: shop.handled() == [1, 2, 3], "all are handled")
    page.key("l")
    page.see('table[aria-label="Queues"]', "orders")


def test_a_route_that_is_paused_on_the_page_waits_until_it_is_resumed_there(
    page: Browser, shop: Shop
) -> None:
    page.press("pause…", 'table[aria-label="Pools"]')
    page.fill("dialog input[name=reason]", "the database moves")
    page.press("Pause", "dialog")
    page.see(".chip", "the database moves")
    assert page.see("#state").text == "ready"
    shop.die(7)
    replay_all(page, 1)
    page.key("l")
    assert shop.handled() == []
    page.press("resume", ".chip")
    page.wait(lambda: shop.handled() == [7], "handled after all")
    page.gone(".chip")


def test_a_pool_is_scaled_and_its_processes_are_made_anew(page: Browser, shop: Shop) -> None:
    page.press("scale…", 'table[aria-label="Pools"]')
    page.fill("dialog input[name=handlers]", "3")
    page.press("Scale", "dialog")
    page.wait(lambda: cell(page, "Handlers") == "3", "three handlers")
    before = page.wait(lambda: handlers(shop, 3), "three processes")
    page.press("recycle…", 'table[aria-label="Pools"]')
    page.press("Recycle", "dialog")

    def all_are_new() -> bool:
        return bool(handlers(shop, 3)) and not handlers(shop, 3) & before

    page.wait(all_are_new, "three other handlers")
    page.wait(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in before), "the old ones have ended")


def test_a_partition_is_paused_resumed_and_read_once_more(
    browser: Browser, kafka: KafkaServer, tmp_path: Path
) -> None:
    client = KafkaClient(kafka.bootstrap)
    client.create_topic("orders", 1)
    client.produce("orders", [b'{"id":%d}' % number for number in range(5)])
    shop = Shop(tmp_path, kafka.bootstrap)
    try:
        page = opened(browser, shop)
        page.wait(lambda: shop.handled() == [0, 1, 2, 3, 4], "all are handled")
        page.wait(lambda: partition(page)[:3] == ["orders/0", "running", "0"], "no lag")
        page.press("pause…", 'table[aria-label="Partitions"] tbody')
        page.press("Pause", "dialog")
        page.wait(lambda: partition(page)[1] == "paused", "paused")
        client.produce("orders", [b'{"id":5}'])
        page.wait(lambda: partition(page)[2] == "1", "a lag that is true while paused")
        page.press("resume", 'table[aria-label="Partitions"] tbody')
        page.wait(lambda: len(shop.handled()) == 6, "the sixth")
        page.wait(lambda: partition(page)[:3] == ["orders/0", "running", "0"], "committed")
        page.press("seek…", 'table[aria-label="Partitions"] tbody')
        page.fill("dialog input[name=to]", "2")
        page.press("Go on…", "dialog")
        page.see("dialog", "4 offsets are handled once more")
        page.press("Seek", "dialog")
        page.wait(lambda: shop.handled() == [0, 1, 2, 2, 3, 3, 4, 4, 5, 5], "from offset 2 once more")
    finally:
        print(shop.daemon.log_text()[-6000:])
        shop.daemon.stop()
