"""The command line on a real daemon: over its control socket, and over its admin's URL."""

import json
import subprocess

import pytest

from ringmain.control import Node
from support.environment import child_environment
from support.ports import free_ports
from support.scenario import RINGMAIN, Daemon, Scenario
from support.waiting import eventually, never

PATIENCE_S = 60.0
TOKEN = "hunter2"
APP = """
    @app.route("r")
    def handle(value: int, message: Message) -> None:
        tell("done", message)
"""


class Shell:
    """Calls `ringmain COMMAND CONFIG …` for one node; CONFIG is its file, or its admin's URL."""

    def __init__(self, scenario: Scenario, url: str = "") -> None:
        self._place = url or str(scenario.folder / "ringmain.toml")
        self._environment = child_environment(**({"RINGMAIN_TOKEN": TOKEN} if url else {}))

    def run(self, command: str, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*RINGMAIN, command, self._place, *words], env=self._environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip

    def said(self, command: str, *words: str) -> str:
        """What it printed; it must have gone well."""
        done = self.run(command, *words)
        assert (done.returncode, done.stderr) == (0, ""), f"{command}: {done}"
        return done.stdout

    def looks(self) -> dict[str, object]:
        """`status --json`."""
        told: dict[str, object] = json.loads(self.said("status", "--json"))
        return told


def given(scenario: Scenario, **more: object) -> tuple[Daemon, str]:
    """A daemon at work, and the URL of its admin."""
    scenario.create_topic(1)
    scenario.app(APP)
    bind = f"127.0.0.1:{free_ports(1)[0]}"
    scenario.config({"consumers": 1, "handlers": 2}, admin={"bind": bind, "token": TOKEN}, **more)
    daemon = scenario.start()
    daemon.wait_until_at_work(2, PATIENCE_S)
    return daemon, f"http://{bind}"


@pytest.fixture(params=["its file", "its url"])
def at_work(request: pytest.FixtureRequest, scenario: Scenario) -> tuple[Scenario, Daemon, Shell]:
    """A daemon that a shell asks by its file, or by its URL."""
    daemon, url = given(scenario)
    by_url = Shell(scenario, url)
    if request.param == "its file":
        return scenario, daemon, Shell(scenario)
    eventually(lambda: by_url.run("status").returncode == 0, PATIENCE_S, "the admin answers")
    return scenario, daemon, by_url


def ready(shell: Shell) -> bool:
    told = shell.looks()
    assert told["ready"], told["reasons"]
    assert told["partitions"], told["processes"]
    return True


def _replace(scenario: Scenario, old: str, new: str) -> None:
    """In its config file."""
    path = scenario.folder / "ringmain.toml"
    text = path.read_text()
    assert old in text, text
    path.write_text(text.replace(old, new))


def test_a_node_is_looked_at_paused_sent_back_scaled_recycled_reloaded_and_stopped(
    at_work: tuple[Scenario, Daemon, Shell],
) -> None:
    scenario, daemon, shell = at_work
    eventually(lambda: ready(shell), PATIENCE_S)
    assert ": ready" in shell.said("status").splitlines()[0]
    scenario.produce_numbers(20)
    scenario.wait_for("done", 20)

    assert "is paused" in shell.said("pause", "r", "--reason", "a test")
    assert ": a test" in shell.said("status")
    scenario.produce_numbers(5)
    never(lambda: len(scenario.events("done")) > 20, 1.0)
    assert "goes on" in shell.said("resume", "r")
    scenario.wait_for("done", 25)
    scenario.wait_for_settled(PATIENCE_S)

    refused = shell.run("seek", "r", "--partition", "0", "--to", "5")
    assert (refused.returncode, len(scenario.events("done"))) == (1, 25)
    assert "at most 20 messages that were taken are handled once more" in refused.stderr
    assert "goes on at offset 5" in shell.said("seek", "r", "--partition", "0", "--to", "5", "--yes")
    scenario.wait_for("done", 45)
    assert sum(scenario.repeats().values()) == 20

    shell.said("scale", "r", "3")
    eventually(lambda: len(daemon.children("handler")) == 3, PATIENCE_S)
    before = set(daemon.children("handler").values())
    shell.said("recycle", "r")
    eventually(lambda: before.isdisjoint(daemon.children("handler").values()), PATIENCE_S)
    assert "recycling" in shell.said("recycle", "--process", "courier")
    # The recycling of the whole pool may just be at it.
    eventually(lambda: "recycling" in shell.run("recycle", "--process", "feeder r/0").stdout, PATIENCE_S)
    eventually(lambda: shell.run("reload", "--dry-run").returncode == 0, PATIENCE_S, "all are replaced")

    _replace(scenario, '"handlers" = 2', '"handlers" = 2\nroutes.r.timeout_s = 7.0')
    assert "routes.r.timeout_s: 30 -> 7" in shell.said("reload", "--dry-run")
    assert "routes.r.timeout_s: 30 -> 7" in shell.said("reload", "--dry-run"), "nothing was changed by it"
    assert "routes.r.timeout_s: 30 -> 7" in shell.said("reload")

    eventually(lambda: shell.run("status").returncode == 0, PATIENCE_S, "a fresh admin answers")
    shell.said("quiet")
    eventually(lambda: shell.looks()["state"] == "quiet", PATIENCE_S)
    assert "has ended" in shell.said("stop", "--wait")
    assert daemon.ended() == 0
    assert shell.run("status").returncode == 5


def test_names_that_are_not_there_are_refused_with_the_nearest(
    at_work: tuple[Scenario, Daemon, Shell],
) -> None:
    _, _, shell = at_work
    eventually(lambda: ready(shell), PATIENCE_S)
    for words in (["pause", "rr"], ["scale", "rr", "2"], ["recycle", "rr"]):
        refused = shell.run(*words)
        assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1), refused
        assert "did you mean 'r'?" in refused.stderr
    wrong = shell.run("seek", "r", "--partition", "77", "--to", "0", "--yes")
    assert wrong.returncode == 1
    assert "77" in wrong.stderr


def test_a_picture_over_http_is_that_of_the_socket(at_work: tuple[Scenario, Daemon, Shell]) -> None:
    _, daemon, shell = at_work
    eventually(lambda: ready(shell), PATIENCE_S)
    told = shell.looks()
    assert told["pid"] == daemon.pid
    assert set(told) - {"type"} == set(Node.__struct_fields__)


def test_a_bad_file_changes_nothing_and_is_said(at_work: tuple[Scenario, Daemon, Shell]) -> None:
    scenario, daemon, shell = at_work
    eventually(lambda: ready(shell), PATIENCE_S)
    pids = set(daemon.staff().values())
    _replace(scenario, '"order" = "none"', '"order" = "nonne"')
    done = shell.run("reload")
    assert done.returncode == 1
    assert "routes.r.order" in done.stderr
    assert pids <= set(daemon.staff().values())
