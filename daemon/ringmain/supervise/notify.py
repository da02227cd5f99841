"""What systemd is told of the daemon (sd_notify): that it is up, how it does, that it lives, that it stops.

The Supervisor makes one and calls it at each turn; a reload enters when it begins and ends. Where no systemd
has asked for it nothing is said. Own code, as it is one datagram: the package for it swallows every error, is
not kept any more, and would be a dependency of every installation.
"""

import contextlib
import logging
import math
import os
import socket
from collections.abc import MutableMapping

from ringmain import clock
from ringmain.control import Node
from ringmain.supervise.lookout import Lookout
from ringmain.supervise.posts import Children

STATUS_S = 10.0
UNKILLED_S = 10.0
"""A child that is still there so long after kill -9 hangs in the kernel: that needs more than we can do."""
STOP_GRACE_S = 5.0
_log = logging.getLogger(__name__)


class Notify:
    """systemd's ear, if there is one."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        """Takes what systemd has put there out of it: the variables are not meant for children."""
        self._address = _address(environment.pop("NOTIFY_SOCKET", ""))
        watchdog_us = environment.pop("WATCHDOG_USEC", "")
        ours = environment.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._watchdog_s = int(watchdog_us) / 2e6 if watchdog_us.isdigit() and ours else math.inf
        self._watchdog_due_s = 0.0 if math.isfinite(self._watchdog_s) else math.inf
        self._status_due_s = 0.0
        self._is_ready = False
        self._status, self._was_well = "", False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    # -- at each turn ------------------------------------------------------------------------------------
    def turn(self, now_s: float, lookout: Lookout, children: Children) -> float:
        """Say what is due; returns when the next word is."""
        if not self._address:
            return math.inf
        if lookout.is_up and not self._is_ready:
            self._is_ready = True
            self._say("READY=1")
        node = lookout.look(now_s) if now_s >= self._status_due_s else lookout.node
        if node is not None and (now_s >= self._status_due_s or node.ready is not self._was_well):
            self._status_due_s, self._was_well = now_s + STATUS_S, node.ready
            self._say_status(node)
        if now_s >= self._watchdog_due_s and not any(hangs(one.killed_s, now_s) for one in children):
            self._watchdog_due_s = now_s + self._watchdog_s
            self._say("WATCHDOG=1")
        return min(self._status_due_s, max(self._watchdog_due_s, now_s + min(1.0, self._watchdog_s)))

    def _say_status(self, node: Node) -> None:
        status = summary(node)
        if status != self._status:
            self._status = status
            self._say(f"STATUS={status}")

    # -- when it happens ---------------------------------------------------------------------------------
    def reloading(self) -> None:
        """A reload begins; `reloaded` ends it, whatever came of it."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={clock.monotonic_ns() // 1000}")

    def reloaded(self) -> None:
        """It is over."""
        self._say("READY=1")

    def stopping(self, within_s: float) -> None:
        """A stop has begun; it may take so long, whatever the unit says."""
        self._say(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={int((within_s + STOP_GRACE_S) * 1e6)}")

    def _say(self, words: str) -> None:
        if self._address:
            # Nobody there, or too much unread: systemd misses a word, and the next one comes.
            with contextlib.suppress(OSError):
                self._socket.sendto(words.encode(), self._address)

    def close(self) -> None:
        """No more is said; in a child, too."""
        self._socket.close()


def _address(given: str) -> str:
    """A path, or an abstract name, which begins with @ in the environment and with NUL in the kernel."""
    if given.startswith("@"):
        return "\0" + given[1:]
    if given and not given.startswith("/"):
        _log.warning("NOTIFY_SOCKET is no local address: systemd is told nothing", extra={"address": given})
        return ""
    return given


def hangs(killed_s: float, now_s: float) -> bool:
    """Whether one that was killed then ought to have ended by now."""
    return now_s - killed_s > UNKILLED_S


def summary(node: Node) -> str:
    """One line for `systemctl status`."""
    per_s = sum(sum(pool.rates_per_s.values()) for pool in node.pools)
    lag = sum(partition.lag for partition in node.partitions)
    said = f"{node.state}: {per_s:.0f} messages/s, {lag} behind, {len(node.partitions)} partitions"
    wrong = [reason for reason in node.reasons if not reason.ready]
    if not wrong:
        return said
    about = f"{wrong[0].subject or wrong[0].route}: " if wrong[0].subject or wrong[0].route else ""
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return f"{said}; NOT READY: {about}{wrong[0].reason}{more}".replace("\n", " ")
