"""The loop of a sync route: one call at a time, as fast as the ring gives.

`run` enters once per process. All that happens per message is compiled; here is only what happens per claim
and per rest. Nothing is decided about a message.
"""

import select

from ringmain import clock
from ringmain.handle.work import BEAT_S, Work


def loop(work: Work) -> None:
    """Serve until an order or a limit ends it."""
    rest = Rest(work)
    serve, next_beat_s = work.server(), 0.0
    while not work.over:
        executed = serve()
        if executed:
            work.count(executed)
        else:
            rest.take()
        now_s = clock.monotonic_s()
        if now_s >= next_beat_s:
            work.beat()
            next_beat_s = now_s + BEAT_S
    work.finish()


class Rest:
    """Sleeping until the doorbell rings, the supervisor speaks, or the next beat is due."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._poller = select.poll()
        self._link = work.seat.link.fileno()
        for fd in (work.side.fileno(), self._link):
            self._poller.register(fd, select.POLLIN)

    def take(self) -> None:
        """One rest, or none if work appeared meanwhile."""
        side = self._work.side
        if not side.prepare_sleep():
            return
        # Nobody rings when a pause ends, or when a batch has waited long enough.
        rest_s = min(side.paused_s or BEAT_S, side.held_for_s or BEAT_S, BEAT_S)
        woken = self._poller.poll(rest_s * 1000)
        side.awake()
        for fd, event in woken:
            if event & select.POLLNVAL:
                self._work.check_descriptors()
            elif fd == self._link:
                self._work.hear()
