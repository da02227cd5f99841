"""Queues that cannot be used for a while: a state, never an exception, and nothing is lost.

What a disk that is full, a file that is locked or replaced, and a folder that is not there do to SQLite; a
server's outages join with its backend.
"""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ringmain.queues.contract import Publisher, Queues
from ringmain.queues.sqlite import SqliteQueues
from support.queue_backends import APP, READY, message, offsets, publish, settle, take, take_all
from support.waiting import eventually, never

DISK_BYTES = 2 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk needs the right to mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def queues(tmp_path: Path) -> Queues:
    return SqliteQueues(APP, tmp_path / "queues.db")


def published_until_away(publisher: Publisher) -> list[int]:
    """Publish until nothing goes any more; what was confirmed."""
    confirmed: list[int] = []
    for number in range(1000):
        settled = publish(publisher, READY, [message(number, value=b"x" * 10_000)])
        if settled.lost:
            return confirmed
        confirmed.append(number)
    raise AssertionError("the disk was never full")


def test_a_full_disk_is_said_and_passes_and_nothing_confirmed_is_lost(small_disk: Path) -> None:
    queues = SqliteQueues(APP, small_disk / "queues.db")
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (DISK_BYTES // 3))
    with closing(queues.publisher()) as publisher:
        confirmed = published_until_away(publisher)
        away = publisher.away()
        assert away is not None
        assert "queues.db" in away.reason
        assert "no space left" in away.reason
        assert publish(publisher, READY, [message(5000)]).lost
        ballast.unlink()
        eventually(lambda: not publish(publisher, READY, [message(2000)]).lost)
        assert publisher.away() is None
    with closing(queues.taker([READY])) as taker:
        assert offsets(take_all(taker)) == [*confirmed, 2000]


def test_acks_wait_for_a_disk_that_is_full(small_disk: Path) -> None:
    queues = SqliteQueues(APP, small_disk / "queues.db")
    with closing(queues.publisher()) as publisher, closing(queues.taker([READY])) as taker:
        publish(publisher, READY, map(message, range(100)))
        held = take(taker, 100)
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file:
            while file.write(b"x" * 65536) == 65536:
                pass
        for _ in range(200):
            publish(publisher, READY, [message(1, value=b"x" * 4000)])
        taker.ack([delivery.tag for delivery in held])
        taker.pump()
        assert taker.away() is not None
        ballast.unlink()

        def settled() -> bool:
            taker.pump()
            return taker.away() is None and taker.timeout_s() != 0

        eventually(settled)
    with closing(queues.taker([READY])) as later:
        assert set(offsets(take_all(later))) <= {1}


def test_a_file_that_another_process_keeps_locked_is_waited_for(queues: Queues, tmp_path: Path) -> None:
    with closing(queues.publisher()) as publisher:
        publish(publisher, READY, [message(1)])
        with closing(sqlite3.connect(tmp_path / "queues.db", isolation_level=None)) as hog:
            hog.execute("BEGIN IMMEDIATE")
            assert publish(publisher, READY, [message(2)]).lost
            away = publisher.away()
            assert away is not None
            assert "locked" in away.reason
        eventually(lambda: not publish(publisher, READY, [message(3)]).lost)
    with closing(queues.taker([READY])) as taker:
        assert offsets(take_all(taker)) == [1, 3]


def test_an_absence_ends_by_itself_when_nothing_is_published(queues: Queues, tmp_path: Path) -> None:
    with closing(queues.publisher()) as publisher:
        publish(publisher, READY, [message(1)])
        with closing(sqlite3.connect(tmp_path / "queues.db", isolation_level=None)) as hog:
            hog.execute("BEGIN IMMEDIATE")
            publish(publisher, READY, [message(2)])
            assert publisher.away()

        def back() -> bool:
            publisher.pump()
            return publisher.away() is None

        eventually(back)


def test_a_folder_that_cannot_be_made_is_an_absence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with closing(SqliteQueues(APP, tmp_path / "file" / "queues.db").publisher()) as publisher:
        assert publish(publisher, READY, [message(1)]).lost
        assert publisher.room() == 0
        (tmp_path / "file").unlink()
        eventually(lambda: publisher.room() > 0)
        assert publish(publisher, READY, [message(1)]).lost == []


def test_nothing_is_confirmed_into_a_file_that_was_deleted(queues: Queues, tmp_path: Path) -> None:
    with closing(queues.publisher()) as publisher, closing(queues.taker([READY])) as taker:
        publish(publisher, READY, [message(1)])
        take(taker, 1)
        for path in tmp_path.glob("queues.db*"):
            if path.is_file():
                path.unlink()
        publish(publisher, READY, [message(2)])
        held = take(taker, 1)
        assert offsets(held) == [2]
        settle(taker, held)
        assert queues.depths() == {}


def test_takers_go_on_after_everything_beside_the_file_was_deleted(queues: Queues, tmp_path: Path) -> None:
    with closing(queues.publisher()) as publisher, closing(queues.taker([READY])) as one:
        publish(publisher, READY, [message(1)])
        settle(one, take(one, 1))
        shutil.rmtree(tmp_path / "queues.db-wake")
        publish(publisher, READY, [message(2)])
        held = take(one, 1)
        with closing(queues.taker([READY])) as other:
            assert take_all(other) == []
            never(lambda: take_all(other), 0.3)
            settle(one, held)
            publish(publisher, READY, [message(3)])
            assert offsets(take(other, 1)) == [3]


def test_a_file_of_a_later_layout_is_refused_and_left_alone(queues: Queues, tmp_path: Path) -> None:
    with closing(queues.publisher()) as publisher:
        publish(publisher, READY, [message(1)])
    with closing(sqlite3.connect(tmp_path / "queues.db")) as later:
        later.execute("PRAGMA user_version = 99")
    with closing(queues.publisher()) as publisher:
        assert publish(publisher, READY, [message(2)]).lost
        away = publisher.away()
        assert away is not None
        assert "99" in away.reason
