"""Signals become entries in a queue: a handler never acts.

The loop enters, to wait on `fileno()` and take what came. The interpreter itself writes each signal's number
into a socket (signal.set_wakeup_fd), so nothing of ours runs in the middle of something else.
"""

import signal
import socket
from types import FrameType

WANTED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)


class Signals:
    """The supervisor's mailbox for signals."""

    def __init__(self) -> None:
        self._inbox, self._entry = socket.socketpair()
        self._inbox.setblocking(False)
        self._entry.setblocking(False)
        # SIGCHLD may get lost in a full socket without harm: reaping takes all that ended, not one a signal.
        signal.set_wakeup_fd(self._entry.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, _leave_it_to_the_mailbox) for number in WANTED}

    def fileno(self) -> int:
        """Readable when a signal has come."""
        return self._inbox.fileno()

    def take(self) -> list[int]:
        """The numbers of the signals that came, in order."""
        try:
            return list(self._inbox.recv(4096))
        except BlockingIOError:
            return []

    def let_go(self) -> None:
        """In a child: the mailbox is the supervisor's."""
        self._inbox.close()
        self._entry.close()

    def close(self) -> None:
        """Give the signals back to whoever had them."""
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self.let_go()


def _leave_it_to_the_mailbox(number: int, frame: FrameType | None) -> None:
    """Only its existence matters: without a handler the interpreter would not write to the mailbox."""
