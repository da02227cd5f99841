"""`ringmain dead` on a real queue file, as a user calls it."""

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ringmain.queues import names
from ringmain.queues.sqlite import SqliteQueues
from support.queue_backends import bring, message

CONFIG = """
app = "orders:app"
name = "shop"
state_dir = "{folder}"
[kafka]
bootstrap.servers = "127.0.0.1:1"
group.id = "shop"
[queues]
backend = "sqlite"
path = "{folder}/queues.db"
[routes.orders]
topics = ["orders"]
order = "none"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "ringmain.toml"
    path.write_text(CONFIG.format(folder=tmp_path))
    return path


@pytest.fixture
def with_dead(config: Path, tmp_path: Path) -> Path:
    """Three dead messages: JSON, bytes, and text that would like to write to the terminal."""
    with closing(SqliteQueues("shop", tmp_path / "queues.db").publisher()) as publisher:
        failed = {
            "error_class": "shop.Declined",
            "error_message": "no [bold]\x1b[2J",
            "failed_ms": 1000,
            "traceback": "a\nb",
        }
        dead = names.dead("shop", "orders")
        bring(publisher, dead, [message(1, value=b'{"customer":{"id":7}}', **failed)])
        bring(publisher, dead, [message(2, value=b"\xff\x00", key=b"\xff", **failed)])
        slow = names.dead("shop", "orders", "slow")
        bring(publisher, slow, [message(3, value=b"plain \x1b[31m", error_class="KeyError", failed_ms=2000)])
    return config


def ringmain(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = "import sys; from ringmain.cli import main; sys.exit(main())"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run(
        [sys.executable, "-c", program, "dead", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=30,
    )


def listed(*arguments: str) -> list[int]:
    done = ringmain("list", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return [entry["offset"] for entry in json.loads(done.stdout)]


def test_values_are_shown_as_what_they_are(with_dead: Path) -> None:
    entries = json.loads(ringmain("list", str(with_dead), "--json").stdout)
    assert [(entry["value_encoding"], entry["value"]) for entry in entries] == [
        ("json", {"customer": {"id": 7}}), ("base64", "/wA="), ("utf-8", "plain \x1b[31m"),
    ]  # fmt: skip
    assert entries[1]["key"] == {"base64": "/w=="}
    assert entries[0]["message_id"] == "orders:0:1"
    assert entries[0]["dead_at"] == "1970-01-01T00:00:01.000Z"


@pytest.mark.parametrize(
    ("options", "offsets"),
    [
        (["--error", "Declined"], [1, 2]),
        (["--error", "KeyError"], [3]),
        (["--channel", "slow"], [3]),
        (["--channel", ""], [1, 2]),
        (["--where", "customer.id=7"], [1]),
        (["--text", "plain"], [3]),
        (["--key", "k1"], [1]),
        (["--since", "1970-01-01T00:00:02Z"], [3]),
        (["--until", "1970-01-01T00:00:02Z"], [1, 2]),
        (["--since", "2h"], []),
        (["--limit", "2"], [1, 2]),
        (["--topic", "orders", "--partition", "1"], []),
    ],
)
def test_filters_narrow_the_list(with_dead: Path, options: list[str], offsets: list[int]) -> None:
    assert listed(str(with_dead), *options) == offsets


def test_no_control_character_reaches_the_terminal(with_dead: Path) -> None:
    for command in (["list"], ["show", "--topic", "orders", "--limit", "9"], ["summary"]):
        done = ringmain(command[0], str(with_dead), *command[1:])
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout
    assert "[bold]\\x1b[2J" in ringmain("list", str(with_dead)).stdout


def test_one_entry_is_shown_by_its_id(with_dead: Path) -> None:
    entry = json.loads(ringmain("list", str(with_dead), "--json").stdout)[1]
    assert json.loads(ringmain("show", str(with_dead), "--id", entry["id"], "--json").stdout) == entry


def test_each_of_several_ids_is_shown_and_one_that_is_gone_is_named(with_dead: Path) -> None:
    entries = json.loads(ringmain("list", str(with_dead), "--json").stdout)
    ids = [word for entry in entries[:2] for word in ("--id", entry["id"])]
    done = ringmain("show", str(with_dead), *ids, "--json")
    assert [json.loads(line) for line in done.stdout.splitlines()] == entries[:2]
    assert (done.returncode, done.stderr) == (0, "")
    done = ringmain("show", str(with_dead), *ids, "--id", "gone", "--json")
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 2)
    assert done.stderr == "ringmain: no dead message with the id gone passes these filters\n"


def test_of_many_that_pass_one_is_shown_and_it_is_said_that_there_are_more(with_dead: Path) -> None:
    done = ringmain("show", str(with_dead), "--topic", "orders", "--json")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)
    assert done.stderr == "ringmain: there are more that pass these filters: --limit\n"
    assert ringmain("show", str(with_dead), "--topic", "orders", "--limit", "1").stderr == ""


def test_an_id_that_is_not_there_is_a_failure_in_one_line(with_dead: Path) -> None:
    done = ringmain("show", str(with_dead), "--id", "nothing")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def test_a_summary_counts_by_its_axes(with_dead: Path) -> None:
    counts = json.loads(ringmain("summary", str(with_dead), "--by", "error,channel", "--json").stdout)
    assert [(count["error"], count["channel"], count["messages"]) for count in counts] == [
        ("shop.Declined", "", 2), ("KeyError", "slow", 1),
    ]  # fmt: skip


def test_a_summary_of_nothing_does_not_say_more_than_its_filters_ask(with_dead: Path) -> None:
    done = ringmain("summary", str(with_dead), "--error", "Nobody")
    assert (done.returncode, done.stdout) == (0, "nothing is dead that passes these filters\n")


def test_what_cannot_be_read_is_a_usage_error(with_dead: Path) -> None:
    for options in (
        ["--since", "soon"],
        ["--since", "99999999999999d"],
        ["--since", "0001-01-01T00:00:00+14:00"],
        ["--until", "1e99d"],
        ["--where", "customer"],
        ["--limit", "0"],
        ["--limit", "9" * 30],
        ["--partition", "9" * 30],
        ["--partition", "-2"],
    ):
        done = ringmain("list", str(with_dead), *options)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 2), done.stderr


def test_before_the_first_run_it_is_said_that_there_is_no_file_and_none_is_made(
    config: Path, tmp_path: Path
) -> None:
    done = ringmain("list", str(config), "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, [])
    assert (
        done.stderr
        == f"ringmain: there is no queue file {tmp_path}/queues.db yet: nothing was ever put into it\n"
    )
    assert "there is no queue file" in ringmain("summary", str(config)).stderr
    assert ringmain("replay", str(config), "--all", "--yes").returncode == 0
    assert sorted(tmp_path.iterdir()) == [config]


def test_a_file_that_is_no_queue_file_is_said_in_one_line(config: Path, tmp_path: Path) -> None:
    (tmp_path / "queues.db").write_bytes(b"this is not a database, by far" * 100)
    done = ringmain("list", str(config))
    assert done.returncode == 1
    assert "queues.db" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_other_tables_need_of_the_environment_may_be_unset(with_dead: Path) -> None:
    text = with_dead.read_text().replace("[queues]", 'sasl.password = "${NOT_SET}"\n[queues]')
    with_dead.write_text(text.replace('topics = ["orders"]', 'topics = ["${NOT_SET_EITHER}"]'))
    assert listed(str(with_dead)) == [1, 2, 3]
    done = ringmain("replay", str(with_dead), "--key", "k1", "--yes")
    assert (done.returncode, listed(str(with_dead))) == (0, [2, 3]), done.stderr
    with_dead.write_text(text.replace('path = "', 'path = "${NOT_SET}'))
    assert ringmain("list", str(with_dead)).returncode == 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--route", "ordres"],
            "--route 'ordres' is neither in the config nor in the dead set: did you mean 'orders'?",
        ),
        (["--route", "refunds"], "--route 'refunds' is neither"),
        (
            ["--channel", "slwo"],
            "--channel 'slwo' is neither in the config nor in the dead set: did you mean 'slow'?",
        ),
        (["--route", "orders", "--channel", "fast"], "--channel 'fast' is neither"),
    ],
)
def test_a_route_or_channel_that_is_nowhere_is_an_error_that_names_the_nearest(
    with_dead: Path, options: list[str], said: str
) -> None:
    for command in ("list", "summary", "show"):
        done = ringmain(command, str(with_dead), *options)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"ringmain: {said}")


def test_show_without_a_filter_tells_how_to_get_an_id(with_dead: Path) -> None:
    done = ringmain("show", str(with_dead))
    assert done.returncode == 2
    assert "`ringmain dead list CONFIG` tells the ids" in done.stderr
