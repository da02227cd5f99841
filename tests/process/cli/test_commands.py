"""What every command has in common: help, versions, usage, exit codes, and how fast it is at hand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ENTRY, Ringmain

from support.environment import child_environment

SLOW = {"confluent_kafka", "rich", "falcon", "gunicorn", "pika", "uvloop", "asyncio", "importlib.metadata"}


def test_help_lists_the_commands_that_exist(call: Ringmain) -> None:
    done = call("--help")
    assert done.returncode == 0
    listed = [
        line.split()[0] for line in done.stdout.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    ]
    assert listed == [
        "run", "check", "settings", "init", "dev", "demo", "status", "top", "pause", "resume", "seek",
        "scale", "recycle", "reload", "quiet", "stop", "dead", "jobs", "find", "forget",
    ]  # fmt: skip
    for command in listed:
        assert call(command, "--help").returncode == 0


def test_the_version_is_said(call: Ringmain) -> None:
    done = call("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("ringmain")


@pytest.mark.parametrize("arguments", [["--help"], ["check", "shop.toml"], ["settings"]])
def test_what_takes_long_to_import_is_not(call: Ringmain, arguments: list[str], folder: Path) -> None:
    program = "import sys; from ringmain.cli import main; main(); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *arguments],
        cwd=folder, env=child_environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert SLOW.isdisjoint(done.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fly"], "ringmain: No such command 'fly'."),
        (["ded"], "ringmain: No such command 'ded'. Did you mean 'dead'?"),
        ([], "ringmain: Missing command."),
        (["dead"], "ringmain: Missing command."),
        (["check"], "ringmain: Missing argument 'CONFIG'."),
        (["run", "shop.toml", "--mode", "both"], "ringmain: Invalid value for '--mode': 'both'"),
        (
            ["check", "shop.toml", "--no-env", "--connect"],
            "ringmain: --connect needs what",
        ),
        (["demo", "--messages", "0"], "ringmain: Invalid value for '--messages'"),
        (
            ["demo", "--queues", "rabbitmq", "amqp://h:x/"],
            "ringmain: --queues rabbitmq URL: this is no amqp://",
        ),
        (["run", "shop.toml", "--mode"], "ringmain: Option '--mode' requires an argument."),
        (["seek", "shop.toml", "orders"], "ringmain: Missing option '--partition'."),
        (["recycle", "shop.toml", "orders", "--process", "x"], "ringmain: a ROUTE and --process"),
        (["check", "a.toml", "b.toml"], "ringmain: Got unexpected extra argument (b.toml)"),
    ],
)
def test_wrong_usage_is_two_lines_and_exit_code_2(call: Ringmain, arguments: list[str], said: str) -> None:
    done = call(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["run", "shop.toml", "--set"], "It is --set KEY=VALUE: override one key of the file"),
        (["run", "shop.toml", "--mode"], "It is --mode [stream-worker|worker|"),
        (["dead", "list", "shop.toml", "--since"], "It is --since TIME: dead since: ISO 8601"),
        (["seek", "shop.toml", "orders", "--partition", "1"], "It is --to OFFSET|TIME|earliest|latest: "),
        (["status"], "It is a path, or an instance name of /etc/ringmain"),
    ],
)
def test_what_is_missing_is_told_how_to_write_it(call: Ringmain, arguments: list[str], hint: str) -> None:
    _, second = call(*arguments).stderr.splitlines()
    assert second.startswith(hint)
    assert second.endswith("--help'.")


def test_what_is_wrong_with_a_mode_speaks_of_mode(call: Ringmain, folder: Path) -> None:
    config = folder / "shop.toml"
    config.write_text(config.read_text().partition("[routes")[0])
    done = call("run", "shop.toml", "--mode", "worker")
    assert done.returncode == 3
    assert "--set modes" not in done.stderr


def test_the_environment_names_the_config_when_the_arguments_do_not(call: Ringmain) -> None:
    assert call("check", RINGMAIN_CONFIG="shop.toml").returncode == 0


def test_a_closed_pipe_is_no_traceback(call: Ringmain, folder: Path) -> None:
    command = f'"{sys.executable}" -c "{ENTRY}" settings | true'
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=child_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_settings_are_printed_for_people_machines_and_readme(call: Ringmain) -> None:
    rows = json.loads(call("settings", "--json").stdout)
    assert {"key", "type", "default", "meaning"} == set(rows[0])
    assert "routes.R.retry.attempts" in [row["key"] for row in rows]
    assert call("settings").stdout.startswith("KEY")
    assert call("settings", "--markdown").stdout.startswith("<!-- settings -->\n| key |")
