"""What both loops share: the process's own place, its orders, and the end of its time.

`run` makes one Work, a loop goes by it. Nothing here touches a message.
"""

import logging
import math
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from ringmain import clock, lifecycle
from ringmain.handle.limits import Limits
from ringmain.lifecycle import Quiet, Stop
from ringmain.rings import BatchPlan, CallPlan, HandlerSide
from ringmain.seat import Seat

BEAT_S = 1.0
"""How often a process beats, hears its orders and looks at its own size."""

_TERMINAL = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
_MANY = 1 << 31
STOP_SHARE = 0.7
"""Of the time for a stop, for what the last calls sent; then come on_stop hooks and what those send."""
_log = logging.getLogger(__name__)


@dataclass
class Work:
    """One handler process at work; `exit_code` is set once it has to end, and why is logged."""

    seat: Seat
    side: HandlerSide
    plan: CallPlan
    limits: Limits
    exit_code: int | None = None
    batches: BatchPlan | None = None
    """Of a batch route."""
    forked: bool = field(default=False, init=False)
    end_by_s: float = field(default=math.inf, init=False)
    """When the supervisor's patience with a stop ends, on the monotonic clock."""
    ended_at_s: float = field(default=math.inf, init=False)
    """Since when nothing new may begin."""

    @property
    def deliver_by_s(self) -> float:
        """How long the end of this process may be held up by what calls have sent; else for ever."""
        stop_s = self.seat.config.stop_s
        return min(self.ended_at_s + STOP_SHARE * stop_s, self.end_by_s - (1 - STOP_SHARE) * stop_s)

    @property
    def over(self) -> bool:
        """Whether nothing new may begin."""
        return self.exit_code is not None

    @property
    def room(self) -> int:
        """Messages that may still begin."""
        left = self.limits.left
        return _MANY if left is None else left

    def server(self) -> Callable[[], int]:
        """What serves one claim or one batch, and returns how many messages that were; PERF: bound once."""
        if self.batches is None:
            return partial(self.side.serve, self.plan)
        return self._serve_batch

    def finish(self) -> None:
        """Nothing new comes; what is held for a batch is called."""
        while self.batches is not None and self.side.held:
            self.side.serve_batch(self.batches, 0)
        self.side.flush()

    def _serve_batch(self) -> int:
        assert self.batches is not None
        return self.side.serve_batch(self.batches, self.room)

    def beat(self) -> None:
        """Show life, hear orders, look whether this process has grown too large."""
        self.seat.board.beat(self.seat.beat)
        self.check_descriptors()
        self.hear()
        if why := self.limits.outgrown():
            self.recycle(why)

    def hear(self) -> None:
        """Take the supervisor's orders. Quiet needs nothing: the ring's gate is closed for all."""
        orders = self.seat.link.receive()
        self.end_by_s = min(
            [self.end_by_s, *(order.deadline_s for order in orders if isinstance(order, Stop))]
        )
        if self.seat.link.closed or any(not isinstance(order, Quiet) for order in orders):
            self.end(lifecycle.OK)

    def count(self, executed: int) -> None:
        """So many more messages were executed."""
        self.limits.executed += executed
        if why := self.limits.reached():
            self.recycle(why)

    def recycle(self, why: str) -> None:
        """This process has served long enough."""
        if not self.over:
            _log.info("handler is replaced", extra={"reason": why})
            self.end(lifecycle.RECYCLE)

    def end(self, exit_code: int) -> None:
        """Nothing new begins; the first reason stays the reason."""
        if self.exit_code is None:
            self.exit_code = exit_code
            self.ended_at_s = clock.monotonic_s()

    def check_descriptors(self) -> None:
        """End when the user's code closed the doorbell or the link: nobody could wake this process again."""
        for what, fd in (("doorbell", self.side.fileno()), ("link", self.seat.link.fileno())):
            if not _is_open(fd) and not self.over:
                _log.error("the app closed a file descriptor of this process", extra={"what": what, "fd": fd})
                self.end(lifecycle.FATAL)

    def guard_forks(self) -> None:
        """FORK: a child that the user's code forks is no handler; it ends with the call that made it."""
        os.register_at_fork(after_in_child=self._become_stranger)

    def leave_if_forked(self) -> None:
        """End here if this is not the process that the supervisor made."""
        if self.forked:
            os._exit(0)

    def _become_stranger(self) -> None:
        self.forked = True
        self.side.disown()
        for number in _TERMINAL:
            if signal.getsignal(number) is deaf:
                signal.signal(number, signal.SIG_DFL)


def deaf(number: int, frame: object) -> None:
    """Do nothing; unlike SIG_IGN it is not inherited by what the user's code executes."""


def be_deaf() -> None:
    """The terminal's signals mean the supervisor, which gives its orders on the link."""
    for number in _TERMINAL:
        signal.signal(number, deaf)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
