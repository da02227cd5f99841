"""`ringmain dead replay|delete`, `jobs`, `find` and `forget` on a real queue file, as a user calls them."""

import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from command_line import ENTRY

from ringmain.queues import names
from ringmain.queues.envelope import Envelope
from ringmain.queues.filters import Filter
from ringmain.queues.sqlite import SqliteQueues
from support.dead_messages import died
from support.environment import child_environment
from support.queue_backends import bring, message, take_all
from support.waiting import eventually

CONFIG = """
app = "orders:app"
name = "shop"
state_dir = "{folder}/state"
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
READY, DEAD = names.ready("shop", "orders"), names.dead("shop", "orders")


class Shop:
    """A deployment with ten dead messages, and the command line in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "ringmain.toml"
        self.config.write_text(CONFIG.format(folder=folder))
        self.queues = SqliteQueues("shop", folder / "queues.db")
        with closing(self.queues.publisher()) as publisher:
            bring(publisher, DEAD, map(died, range(10)))

    def command(self, *arguments: str) -> list[str]:
        """`ringmain COMMAND [SUB] CONFIG …`."""
        return [
            sys.executable,
            "-P",
            "-c",
            ENTRY,
            *(str(self.config) if one == "CONFIG" else one for one in arguments),
        ]

    def call(self, *arguments: str, given: str | None = None, **environment: str) -> Any:
        """Run it to its end."""
        feed: dict[str, Any] = {"stdin": subprocess.DEVNULL} if given is None else {"input": given}
        return subprocess.run(
            self.command(*arguments), env=child_environment(**environment), capture_output=True, text=True,
            timeout=60, check=False, **feed,
        )  # fmt: skip

    def dead(self) -> list[int]:
        with closing(self.queues.dead_set()) as dead_set:
            return [entry.offset for entry in dead_set.page(Filter(), 1000).entries]

    def ids(self) -> list[str]:
        with closing(self.queues.dead_set()) as dead_set:
            return [entry.id for entry in dead_set.page(Filter(), 1000).entries]

    def ready(self) -> list[Envelope]:
        with closing(self.queues.taker([READY])) as taker:
            return [one.envelope for one in take_all(taker) if isinstance(one.envelope, Envelope)]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_replay_by_a_filter(shop: Shop) -> None:
    done = shop.call("dead", "replay", "CONFIG", "--where", "id=3", "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("replayed 1 message (job ")
    assert [(one.offset, one.attempt, one.replayed) for one in shop.ready()] == [(3, 1, True)]
    assert shop.dead() == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_who_when_which_and_how_many_is_logged(shop: Shop) -> None:
    done = shop.call("dead", "delete", "CONFIG", "--error", "KeyError", "--yes", "--json")
    record = json.loads(done.stdout)
    assert (record["state"], record["acted"], record["filter"]) == ("done", 1, {"error": "KeyError"})
    began, ended = [json.loads(line) for line in done.stderr.splitlines()]
    assert (began["event"], ended["event"]) == ("dead set: job began", "dead set: job ended")
    assert began["who"] == record["who"] == ended["who"]
    assert (began["messages"], ended["acted"], ended["filter"]) == (1, 1, {"error": "KeyError"})
    assert began["time"]


@pytest.mark.parametrize("command", ["replay", "delete"])
def test_everything_needs_to_be_said(shop: Shop, command: str) -> None:
    done = shop.call("dead", command, "CONFIG", "--yes")
    assert (done.returncode, "--all" in done.stderr) == (2, True)
    assert shop.call("dead", command, "CONFIG", "--all", "--key", "k1", "--yes").returncode == 2
    assert len(shop.dead()) == 10
    assert shop.call("dead", command, "CONFIG", "--all", "--yes").returncode == 0
    assert shop.dead() == []


@pytest.mark.parametrize("answer", ["n\n", "", "\n"])
def test_without_yes_it_asks_with_the_count_and_takes_only_yes_for_yes(shop: Shop, answer: str) -> None:
    done = shop.call("dead", "delete", "CONFIG", "--all", given=answer)
    assert (done.returncode, len(shop.dead())) == (1, 10)
    assert "delete 10 messages?" in done.stderr
    assert shop.call("dead", "delete", "CONFIG", "--all", given="y\n").returncode == 0
    assert shop.dead() == []


def test_a_dry_run_counts_and_does_nothing(shop: Shop) -> None:
    done = shop.call("dead", "replay", "CONFIG", "--all", "--limit", "4", "--dry-run")
    assert (done.returncode, done.stdout) == (0, "would replay 4 messages\n")
    assert len(shop.dead()) == 10
    assert not (shop.folder / "state").exists()
    told = json.loads(shop.call("dead", "delete", "CONFIG", "--all", "--dry-run", "--json").stdout)
    assert told == {"action": "delete", "state": "dry-run", "total": 10}


def test_a_job_that_finds_nothing_is_done_and_no_dry_run(shop: Shop) -> None:
    done = shop.call("dead", "replay", "CONFIG", "--error", "Nobody", "--yes", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (
        0,
        {"action": "replay", "state": "done", "total": 0},
    )


@pytest.mark.parametrize("options", [["--to-topic", ""], ["--rate", "nan"], ["--rate", "inf"]])
def test_what_nobody_can_mean_is_a_usage_error(shop: Shop, options: list[str]) -> None:
    done = shop.call("dead", "replay", "CONFIG", "--all", "--yes", *options)
    assert (done.returncode, len(shop.dead())) == (2, 10), done.stderr


def test_a_dry_run_opens_no_editor(shop: Shop) -> None:
    command = ("dead", "replay", "CONFIG", "--id", shop.ids()[0], "--dry-run", "--edit")
    done = shop.call(*command, VISUAL="false", EDITOR="false")
    assert (done.returncode, done.stdout) == (0, "would replay 1 message\n"), done.stderr


def test_an_edited_value_from_a_file_and_from_stdin(shop: Shop) -> None:
    one, other = shop.ids()[:2]
    (shop.folder / "value").write_bytes(b'{"id":"mended"}')
    file = str(shop.folder / "value")
    assert shop.call("dead", "replay", "CONFIG", "--id", one, "--edit", file, "--yes").returncode == 0
    done = shop.call("dead", "replay", "CONFIG", "--id", other, "--edit", "-", "--yes", given="from stdin")
    assert done.returncode == 0, done.stderr
    assert [message.value for message in shop.ready()] == [b'{"id":"mended"}', b"from stdin"]
    assert len(shop.dead()) == 8


def test_an_edited_value_from_the_editor(shop: Shop) -> None:
    editor = shop.folder / "editor"
    editor.write_text('#!/bin/sh\nsed -i \'s/0/7/\' "$1"\ntouch -d 2040-01-01 "$1"\n')
    editor.chmod(0o755)
    command = ("dead", "replay", "CONFIG", "--id", shop.ids()[0], "--yes", "--edit")
    done = shop.call(*command, VISUAL=str(editor), EDITOR="")
    assert done.returncode == 0, done.stderr
    assert [message.value for message in shop.ready()] == [b'{"id":7}']


def test_an_editor_that_changes_nothing_replays_nothing(shop: Shop) -> None:
    command = ("dead", "replay", "CONFIG", "--id", shop.ids()[0], "--yes", "--edit")
    done = shop.call(*command, VISUAL="true", EDITOR="true")
    assert (done.returncode, "nothing was changed" in done.stderr) == (1, True)
    assert len(shop.dead()) == 10


def test_an_edit_is_of_exactly_one_message(shop: Shop) -> None:
    done = shop.call("dead", "replay", "CONFIG", "--error", "Declined", "--edit", "-", "--yes", given="x")
    assert (done.returncode, "9 pass these filters" in done.stderr) == (1, True)
    limited = ("--error", "Declined", "--limit", "1", "--edit", "-", "--yes")
    assert "9 pass these filters" in shop.call("dead", "replay", "CONFIG", *limited, given="x").stderr
    assert shop.call("dead", "replay", "CONFIG", "--all", "--edit", "-").returncode == 2
    assert len(shop.dead()) == 10


def test_of_two_operators_the_second_is_told_who_is_at_it(shop: Shop) -> None:
    with closing(shop.queues.dead_set()) as dead_set, closing(dead_set.hold("ada (job 7)")):
        done = shop.call("dead", "replay", "CONFIG", "--all", "--yes")
        assert (done.returncode, done.stdout) == (1, "")
        assert "in the hands of ada (job 7) on " in done.stderr
        assert shop.call("dead", "list", "CONFIG").returncode == 0
    assert len(shop.dead()) == 10


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_a_job_between_two_batches(shop: Shop, number: int) -> None:
    command = shop.command("dead", "replay", "CONFIG", "--all", "--yes", "--rate", "1", "--json")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=child_environment()
    ) as job:
        eventually(lambda: len(shop.dead()) < 10, 60)
        job.send_signal(number)
        out, error = job.communicate(timeout=20)
    record = json.loads(out)
    assert (job.returncode, record["state"]) == (1, "cancelled"), error
    assert [one.offset for one in shop.ready()] == list(range(record["acted"]))
    assert shop.dead() == list(range(record["acted"], 10))


def test_jobs_are_listed_and_one_is_cancelled_by_its_id(shop: Shop) -> None:
    assert shop.call("jobs", "CONFIG").stdout == "no job was run on this node\n"
    command = shop.command("dead", "replay", "CONFIG", "--all", "--yes", "--rate", "1", "--json")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=child_environment()
    ) as job:
        [running] = eventually(lambda: json.loads(shop.call("jobs", "CONFIG", "--json").stdout), 60)
        assert (running["state"], running["action"], running["total"]) == ("running", "replay", 10)
        assert shop.call("jobs", "CONFIG", "--cancel", running["id"]).returncode == 0
        out, _ = job.communicate(timeout=20)
    assert json.loads(out)["state"] == "cancelled"
    assert "cancelled" in shop.call("jobs", "CONFIG").stdout
    assert shop.call("dead", "delete", "CONFIG", "--id", shop.ids()[0], "--yes").returncode == 0
    assert "id=['" not in shop.call("jobs", "CONFIG").stdout
    done = shop.call("jobs", "CONFIG", "--cancel", running["id"])
    assert (done.returncode, "runs no more" in done.stderr) == (1, True)


@pytest.mark.parametrize("action", ["replay", "delete"])
def test_an_id_of_nothing_is_an_error_and_does_nothing(shop: Shop, action: str) -> None:
    done = shop.call("dead", action, "CONFIG", "--id", "nothing", "--yes")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no dead message with the id nothing" in done.stderr
    assert len(shop.dead()) == 10


def test_a_job_that_was_killed_has_died_and_frees_the_dead_set(shop: Shop) -> None:
    command = shop.command("dead", "replay", "CONFIG", "--all", "--yes", "--rate", "1")
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=child_environment()
    ) as job:
        eventually(lambda: len(shop.dead()) < 10, 60)
        job.kill()
    assert [one["state"] for one in json.loads(shop.call("jobs", "CONFIG", "--json").stdout)] == ["died"]
    assert shop.call("dead", "replay", "CONFIG", "--all", "--yes").returncode == 0
    assert sorted(one.offset for one in shop.ready()) == list(range(10))


def test_on_a_terminal_a_bar_is_drawn_and_the_question_is_asked_there(shop: Shop) -> None:
    parent, child = pty.openpty()
    with subprocess.Popen(
        shop.command("dead", "delete", "CONFIG", "--all"), stdin=child, stdout=child, stderr=child,
        env=child_environment(TERM="xterm"), start_new_session=True,
    ) as job:  # fmt: skip
        os.close(child)
        os.write(parent, b"y\n")
        said = _read_to_the_end(parent)
        job.wait(20)
    os.close(parent)
    assert "delete 10 messages?" in said
    assert "deleted 10 messages" in said
    assert shop.dead() == []


def _read_to_the_end(descriptor: int) -> str:
    said = b""
    while True:
        try:
            piece = os.read(descriptor, 4096)
        except OSError:  # how a terminal tells that its other side is gone
            piece = b""
        if not piece:
            return said.decode()
        said += piece


def test_one_person_is_found_in_every_queue_and_forgotten_with_a_receipt(shop: Shop) -> None:
    with closing(shop.queues.publisher()) as publisher:
        bring(publisher, READY, map(message, range(10)))
    found = json.loads(shop.call("find", "CONFIG", "--where", "id=3", "--json").stdout)
    assert [(one["queue"], one["value"]) for one in found] == [(DEAD, {"id": 3}), (READY, {"id": 3})]
    done = shop.call("forget", "CONFIG", "--where", "id=3", "--yes")
    assert done.returncode == 0, done.stderr
    assert "forgotten: 2" in done.stdout
    assert "Not reached: messages in the ring of a running daemon" in done.stdout
    [path] = (shop.folder / "state" / "receipts").iterdir()
    receipt = json.loads(path.read_text())
    assert (receipt["messages"], receipt["queues"], receipt["complete"]) == (2, {DEAD: 1, READY: 1}, True)
    assert receipt["expression"] == {"where": ["id=3"]}
    assert path.stat().st_mode & 0o077 == 0
    assert json.loads(shop.call("find", "CONFIG", "--where", "id=3", "--json").stdout) == []
    assert 3 not in shop.dead()
    assert sorted(one.offset for one in shop.ready()) == [0, 1, 2, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("command", ["find", "forget"])
def test_nobody_in_particular_is_nobody(shop: Shop, command: str) -> None:
    done = shop.call(command, "CONFIG")
    assert (done.returncode, "whose?" in done.stderr) == (2, True)


def test_forgetting_asks_first(shop: Shop) -> None:
    done = shop.call("forget", "CONFIG", "--where", "id=3", given="n\n")
    assert (done.returncode, "forget 1 message for good?" in done.stderr) == (1, True)
    assert 3 in shop.dead()


def test_to_forget_nobody_is_not_asked(shop: Shop) -> None:
    done = shop.call("forget", "CONFIG", "--where", "id=77", given="y\n")
    assert (done.returncode, "nothing in the queues is of this person" in done.stderr) == (1, True)
    assert "for good?" not in done.stderr
    assert shop.call("forget", "CONFIG", "--where", "id=77", "--yes").returncode == 0
