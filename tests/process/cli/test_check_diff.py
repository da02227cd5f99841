"""`ringmain check --diff` compares the file with what the node that runs here goes by, without asking it."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Ringmain

from ringmain.config.load import load
from ringmain.control import socket_path
from ringmain.supervise.running import Running, kept_path


@pytest.fixture
def running(folder: Path) -> Iterator[Path]:
    """As if a node ran: it listens, and has kept what it runs. The file."""
    path = folder / "shop.toml"
    config = load(path, ["stop_s=7"])
    (folder / "run").mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(socket_path(config.runtime_dir, config.name, config.node))
        listener.listen(4)
        Running(config, ["stop_s=7"]).keep()
        yield path


def test_a_file_that_has_not_changed_would_change_nothing(running: Path, call: Ringmain) -> None:
    done = call("check", str(running), "--diff")
    assert (done.returncode, done.stdout) == (0, f"{running}: a reload would change nothing\n")


def test_it_says_what_a_reload_would_change_with_secrets_masked(running: Path, call: Ringmain) -> None:
    text = running.read_text().replace("hunter2", "hunter3")
    running.write_text(text + "timeout_s = 5\n[commit]\ninterval_s = 3\n")
    done = call("check", str(running), "--diff")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "routes.orders.kafka.ssl.key.password: *** -> *** (Kafka feeders are replaced)",
        "routes.orders.timeout_s: 30 -> 5 (handlers are replaced)",
        "commit.interval_s: 1 -> 3 (Kafka feeders are replaced)",
    ]
    assert "hunter" not in done.stdout + done.stderr


def test_what_needs_a_restart_is_said_and_exits_with_1(running: Path, call: Ringmain) -> None:
    running.write_text(running.read_text().replace('order = "none"', 'order = "key"'))
    done = call("check", str(running), "--diff", "--json")
    assert done.returncode == 1
    [change] = json.loads(done.stdout)["changes"]
    assert (change["key"], change["restart"]) == ("routes.orders.order", True)


def test_where_no_node_runs_it_is_said_and_exits_with_5(folder: Path, call: Ringmain) -> None:
    done = call("check", str(folder / "shop.toml"), "--diff")
    assert done.returncode == 5
    assert "nothing answers at" in done.stderr


def test_what_a_killed_node_left_is_not_a_node_that_runs(folder: Path, call: Ringmain) -> None:
    config = load(folder / "shop.toml")
    (folder / "run").mkdir()
    Running(config).keep()
    assert kept_path(config).exists()
    assert call("check", str(folder / "shop.toml"), "--diff").returncode == 5


def test_what_is_kept_has_no_secret_that_the_file_only_refers_to(running: Path) -> None:
    text = running.read_text().replace("${PASSWORD:-hunter2}", "${PASSWORD:-}")
    running.write_text(text)
    config = load(running)
    Running(config).keep()
    kept = kept_path(config)
    assert "${PASSWORD" in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600
