"""The search for leftovers finds what it is there to find."""

import os
import signal
import subprocess
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from support import signals
from support.leftovers import Leftovers, adopt_orphans, alive
from support.waiting import eventually


def test_an_orphan_that_still_runs_is_reported() -> None:
    adopt_orphans(True)
    before = Leftovers()
    # The shell ends at once; the sleep it started in the background is nobody's child.
    script = "sleep 300 </dev/null >/dev/null 2>&1 & echo $!"
    pid = int(subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout)
    try:
        with pytest.raises(AssertionError, match=rf"process {pid} \(sleep 300"):
            before.assert_none(deadline_s=0.05)
    finally:
        signals.send(pid, signal.SIGKILL)
        eventually(lambda: not alive(pid))
        before.assert_none()
        adopt_orphans(False)


def test_a_memfd_that_stays_open_is_reported() -> None:
    before = Leftovers()
    descriptor = os.memfd_create("ring")
    try:
        with pytest.raises(AssertionError, match="memfd:ring"):
            before.assert_none()
    finally:
        os.close(descriptor)
    before.assert_none()


def test_a_file_in_a_watched_directory_is_reported(tmp_path: Path) -> None:
    before = Leftovers()
    before.watch(tmp_path)
    (tmp_path / "control.sock").touch()
    with pytest.raises(AssertionError, match=r"file .*control\.sock"):
        before.assert_none()


def test_a_quiet_test_leaves_nothing(leftovers: Leftovers) -> None:
    subprocess.run(["true"], check=True)
    assert leftovers.processes() == set()


def test_what_a_process_that_was_there_starts_later_is_its_own() -> None:
    server = subprocess.Popen(["sh", "-c", "read go; sleep 300 & wait"], stdin=subprocess.PIPE)
    before = Leftovers()
    below = psutil.Process(server.pid)
    try:
        server.communicate(b"\n", timeout=0.01)
    except subprocess.TimeoutExpired:
        eventually(below.children)
    assert before.processes() == set()
    for child in below.children():
        child.kill()
    server.wait()
