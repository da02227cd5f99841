"""Looks for what a test left behind: processes, memfds and descriptors, files.

The fixture `leftovers` in conftest.py enters. It adopts orphans for the time of one test (child subreaper),
so a process that lost its parent is still found; nothing is killed before it has been reported.
"""

import contextlib
import ctypes
import gc
import os
from dataclasses import dataclass, field
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from support.waiting import eventually

PR_SET_CHILD_SUBREAPER = 36
SHARED_KINDS = ("/memfd:", "anon_inode:[eventfd]", "/dev/shm/")


def alive(pid: int) -> bool:
    """Is there a process of this id that still runs? A zombie does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def descendants(pid: int | None = None) -> set[int]:
    """Every live process below `pid` (default: this one), zombies left out."""
    try:
        below = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return set()
    return {process.pid for process in below if alive(process.pid)}


@dataclass
class Leftovers:
    """What was there before the test; `assert_none` compares."""

    watched: list[Path] = field(default_factory=list)
    allowed_processes: set[int] = field(default_factory=set)
    _processes: set[int] = field(default_factory=descendants)
    _descriptors: set[tuple[int, str]] = field(default_factory=lambda: _own_descriptors())
    _files: dict[Path, set[Path]] = field(default_factory=dict)

    def watch(self, directory: Path) -> Path:
        """Whatever is created below `directory` from now on must be gone at the end."""
        self.watched.append(directory)
        self._files[directory] = set(directory.rglob("*"))
        return directory

    def allow_process(self, pid: int) -> None:
        """A process that outlives the test on purpose: a server of the session, with all below it."""
        self.allowed_processes |= {pid} | descendants(pid)

    def processes(self) -> set[int]:
        """Those that this test started and that still run; what a server of the session starts is its own."""
        new = descendants() - self._processes - self.allowed_processes
        above = {pid: _above(pid) for pid in new}
        return {pid for pid, those in above.items() if those and self._processes.isdisjoint(those)}

    def assert_none(self, deadline_s: float = 10.0) -> None:
        """AssertionError naming each process, descriptor and file that this test left behind."""
        with contextlib.suppress(AssertionError):
            eventually(lambda: not self.processes(), deadline_s)
        _reap_adopted()
        left = [_describe(pid) for pid in sorted(self.processes())]
        left += [
            f"descriptor {number} of the test itself: {target}" for number, target in self._new_descriptors()
        ]
        left += [f"file {path}" for path in self._new_files()]
        assert not left, "left over:\n  " + "\n  ".join(left)

    def _new_descriptors(self) -> list[tuple[int, str]]:
        gc.collect()
        return sorted(_own_descriptors() - self._descriptors)

    def _new_files(self) -> list[Path]:
        return sorted(path for top in self.watched for path in set(top.rglob("*")) - self._files[top])


def adopt_orphans(yes: bool) -> None:
    """Make orphaned descendants children of this process (or stop that)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def _reap_adopted() -> None:
    """Take the exit codes of adopted orphans, so that they do not stay zombies of the test session."""
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess, ChildProcessError):
            if process.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(process.pid, os.WNOHANG)


def _above(pid: int) -> set[int]:
    """None, where it has ended meanwhile: whatever still runs is below somebody."""
    try:
        return {process.pid for process in psutil.Process(pid).parents()}
    except psutil.NoSuchProcess:
        return set()


def _describe(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        shared = ", ".join(sorted(_memfds(pid))) or "no shared memory"
        return f"process {pid} ({' '.join(process.cmdline())[:160]}; {process.status()}; {shared})"
    except psutil.Error:
        return f"process {pid}"


def _own_descriptors() -> set[tuple[int, str]]:
    return {(number, target) for number, target in _links(os.getpid()) if target.startswith(SHARED_KINDS)}


def _memfds(pid: int) -> set[str]:
    held = {target for _, target in _links(pid) if target.startswith("/memfd:")}
    with contextlib.suppress(OSError):
        maps = Path(f"/proc/{pid}/maps").read_text()
        held |= {line.split(maxsplit=5)[5] for line in maps.splitlines() if "/memfd:" in line}
    return held


def _links(pid: int) -> list[tuple[int, str]]:
    links = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                links.append((int(entry.name), os.readlink(entry.path)))
    return links
