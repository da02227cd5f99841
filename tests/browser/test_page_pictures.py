"""The two pictures of README: a node at work, and a dead message; `.pictures/` has copies of them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from ringmain.control import PausedBy, Unwell
from ringmain.queues.envelope import Envelope
from support import pictures
from support.admin_stage import Stage, staged
from support.chromium import Browser
from support.dead_messages import died

SIZE = (1440, 900)
MINUTES = 5
# The page's clock hurries: each look is a second later for it, and shows a little other figures.
HURRY = """
const [minutes] = arguments, [later, now, get] = [window.setTimeout, Date.now, window.fetch];
let looks = 0;
window.looked = () => looks;
window.setTimeout = (act, ms) => later(act, ms === 1000 && looks < minutes * 60 ? 1 : ms);
Date.now = () => now() + looks * 1000;
window.fetch = async (path, options) => {
  const answer = await get(path, options);
  if (path !== 'api/picture') return answer;
  const picture = await answer.json();
  const wave = 1 + 0.12 * Math.sin(looks / 23) + 0.05 * Math.sin(looks / 3.1);
  const late = Math.max(0, looks - 190);
  for (const pool of picture.pools) {
    const rates = pool.rates_per_s;
    for (const name of Object.keys(rates)) rates[name] *= wave;
    if (pool.route === 'payments' && late) rates.retry = Math.max(0, 40 - late / 2 + 9 * Math.sin(looks / 5));
  }
  for (const one of picture.partitions) {
    one.lag = Math.round(one.lag * wave) + (one.route === 'payments' ? late * 90 : 0);
  }
  looks++;
  return new Response(JSON.stringify(picture));
};
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A node with a route that flows and one that is in trouble."""
    flood = PausedBy("flood", "62 % of 480 calls failed: ConnectionError", since_ms=1_763_700_000_000)
    payments = pictures.pool(
        "payments", order="key", handlers=2, alive=2, busy=0, mean_s=0.0042, paused=[flood],
        rates_per_s={"done": 310.0, "retry": 0.4, "dead": 0.0, "skip": 2.0},
    )  # fmt: skip
    well = pictures.node(8)
    flowing = [
        replace(one, lag=90 + 17 * one.partition, rate_per_s=1_480.0 + 31 * one.partition)
        for one in well.partitions
    ]
    paused = [
        pictures.partition(
            number, route="payments", topic="payments", owner=f"feeder payments/{number}", state="paused",
            lag=900, lag_s=108.0, rate_per_s=0.0, eta_s=None, ahead=0,
        )
        for number in range(4)
    ]  # fmt: skip
    picture = replace(
        well, pools=[well.pools[0], payments, well.pools[1]], partitions=[*flowing, *paused],
        reasons=[Unwell("paused by its circuit breaker: 62 % of 480 calls failed", "payments", ready=True)],
    )  # fmt: skip
    with staged(tmp_path / "pictures", picture) as one:
        yield one


def test_a_node_at_work(browser: Browser, stage: Stage, album: Path) -> None:
    browser.open(stage.url, SIZE)
    browser.wait(lambda: len(browser.all("figure.chart canvas")) == 3, "charts")
    browser.script(HURRY, MINUTES)
    browser.wait(lambda: browser.script("return looked()") > MINUTES * 60, "the last minutes")
    browser.picture(album / "readme-live.png")
    assert int(browser.see(".figures").text.split("\n")[1].replace(",", "")) > 10_000


def test_a_dead_message(browser: Browser, stage: Stage, album: Path) -> None:
    stage.die(_order(number) for number in range(340))
    browser.open(f"{stage.url}/#dead?error=Declined", SIZE)
    browser.see(".dead-acts", "272 messages pass the filter")
    browser.press("orders:0:3", 'table[aria-label="Dead messages"]')
    browser.see("pre.value", '"customer": "c3"')
    browser.picture(album / "readme-dead.png")


def _order(number: int) -> Envelope:
    """One that a payment provider declined, or that was no order at all."""
    customer = f"c{number % 17}"
    order = {"id": 70_000 + number, "customer": customer, "amount": 4.11, "items": [{"sku": "A1", "n": 2}]}
    name, reason = "shop.payments.Declined", f"card of {customer} declined: insufficient funds"
    if number % 5 == 0:
        name, reason = "msgspec.ValidationError", "Expected `float`, got `str` - at `$.amount`"
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
