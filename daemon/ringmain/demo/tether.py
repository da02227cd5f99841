"""Child processes that cannot outlive the demo, whatever ends it.

broker.py and processes.py enter. Nothing here knows what the children do.
"""

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

from ringmain import clock

_PAUSE_S = 0.05
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Command:
    """What to start, and where its words go."""

    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: int = subprocess.DEVNULL
    stdout: int | IO[bytes] | None = subprocess.DEVNULL
    stderr: int | IO[bytes] | None = subprocess.DEVNULL


def start(command: Command) -> subprocess.Popen[bytes]:
    """Start `command` so that the kernel kills it when this thread ends; call it from the main thread.

    It gets a process group of its own: a terminal's Ctrl-C reaches the demo alone, which then ends its
    children in the right order.
    """
    return subprocess.Popen(
        list(command.argv),
        stdin=command.stdin,
        stdout=command.stdout,
        stderr=command.stderr,
        env={**os.environ, **command.environment},
        process_group=0,
        preexec_fn=_die_with(os.getpid()),
    )


def stdout_of(process: subprocess.Popen[bytes]) -> int:
    """The descriptor of a child's stdout that was asked for as a pipe; -1 if it was not."""
    return process.stdout.fileno() if process.stdout else -1


def close_stdout(process: subprocess.Popen[bytes]) -> None:
    """Read no more from it."""
    if process.stdout:
        process.stdout.close()


def stop(process: subprocess.Popen[bytes], deadline_s: float, hurry: Callable[[], bool]) -> int:
    """Ask with TERM; kill after `deadline_s`, or as soon as `hurry` says so; the exit code."""
    end_s = clock.monotonic_s() + deadline_s
    if process.poll() is None:
        process.terminate()
    while process.poll() is None:
        if hurry() or clock.monotonic_s() > end_s:
            return kill(process)
        clock.sleep_s(_PAUSE_S)
    return process.wait()


def kill(process: subprocess.Popen[bytes]) -> int:
    """End it at once and take its exit code."""
    process.kill()
    return process.wait()


def _die_with(parent: int) -> Callable[[], None]:
    # FORK: between fork and exec only prctl and getppid are called, and the library is loaded before: the
    # demo's own process holds no client and starts no thread, so nothing can be locked there.
    libc = ctypes.CDLL(None, use_errno=True)

    def tie() -> None:
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
        if os.getppid() != parent:  # it died before prctl could tell us
            os._exit(1)

    return tie
