"""Making a child: the only place that forks.

The loop enters with a Seat and gets a process id. FORK: the supervisor has no thread and no client library,
so a plain fork is safe; the role's module is imported in the child, after the parent's descriptors, signal
handlers and buffers are gone. The child side never returns: it ends in os._exit whatever happens.
"""

import contextlib
import faulthandler
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from setproctitle import setproctitle

from ringmain import lifecycle, log, roles
from ringmain.config.schema import Config
from ringmain.errors import AppError, ConfigError, RingmainError
from ringmain.lifecycle import GaveUp
from ringmain.seat import NOUNS, Seat

STACK_SIGNAL = signal.SIGUSR2
"""Asks a child for the stacks of all its threads; it writes them into its stack descriptor."""
_DEAF_TO = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
_HANDLER_OOM_SCORE = 500
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Birth:
    """What the child's side of a fork needs beside its seat."""

    table: Mapping[str, str]
    stack_fd: int
    let_go: Callable[[], None]
    """Closes whatever is the supervisor's alone."""


def fork(seat: Seat, birth: Birth) -> int:
    """Start the role of `seat` in a new process and return its id."""
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    # FORK: signals wait until the child has let go of the supervisor's handlers, else it would obey for it.
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {*_DEAF_TO, STACK_SIGNAL})
    pid = os.fork()
    if pid == 0:
        _live(seat, birth, parent)
    signal.pthread_sigmask(signal.SIG_SETMASK, held)
    return pid


def _live(seat: Seat, birth: Birth, parent: int) -> None:
    code = lifecycle.CRASHED
    try:
        _be_born(birth, parent)
        _introduce(seat)
        code = _run(seat, birth.table)
    except BaseException:
        _log.exception("died of an exception")
    finally:
        _leave(code)


def _be_born(birth: Birth, parent: int) -> None:
    signal.set_wakeup_fd(-1)
    for number in _DEAF_TO:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    lifecycle.die_with(parent)
    birth.let_go()
    faulthandler.register(STACK_SIGNAL, birth.stack_fd, all_threads=True)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    gc.freeze()  # PERF: what the supervisor made stays in pages shared with it


def _introduce(seat: Seat) -> None:
    config = seat.config
    setproctitle(f"ringmain: {config.name} {seat.title}")
    speaker = {"role": NOUNS.get(seat.role, seat.role), "route": seat.route, "channel": seat.channel}
    configure_log(config, {**speaker, "seat": seat.index})
    if seat.role == "handle":
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(_HANDLER_OOM_SCORE))


def own_title(config: Config) -> None:
    """The supervisor's name in the process list."""
    setproctitle(f"ringmain: {config.name} supervisor")


def configure_log(config: Config, bound: Mapping[str, object]) -> None:
    """This process's log, as the config says."""
    if not bound.get("route"):
        bound = {name: value for name, value in bound.items() if name == "role"}
    log.configure(config.log.level, config.log.format, config.log.exceptions, bound)


def _run(seat: Seat, table: Mapping[str, str]) -> int:
    try:
        return roles.resolve(seat.role, table)(seat)
    except (ConfigError, AppError) as error:
        seat.link.send(GaveUp(str(error)))
        _log.error("cannot boot", extra={"reason": str(error)})
        return lifecycle.CANNOT_BOOT
    except RingmainError as error:
        seat.link.send(GaveUp(str(error)))
        _log.error("cannot go on", extra={"reason": str(error)})
        return lifecycle.FATAL
    except ImportError:
        _log.exception("cannot be imported")
        return lifecycle.CANNOT_BOOT
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else lifecycle.CRASHED


def _leave(code: int) -> None:
    # A user's print() may still be in a buffer; atexit and finalizers are the parent's business.
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
