"""The start's first step: a probe imports the app before anything else is forked.

`run` enters once. Whoever starts a daemon that cannot work is told so by an exit code, not by a crash loop.
"""

import select
import signal

from ringmain import clock
from ringmain.lifecycle import Probed
from ringmain.supervise.nursery import Nursery, Remains
from ringmain.supervise.posts import Child, Post
from ringmain.supervise.respawn import detail_of
from ringmain.supervise.signals import Signals

LONGEST_S = 300.0
_APP_EXIT = 4


def rehearse(nursery: Nursery, signals: Signals) -> Probed | None:
    """What the probe says of the app; None = told to stop meanwhile. A probe that dies wordless is a no."""
    child = nursery.bear(Post("probe"))
    end_s = clock.monotonic_s() + LONGEST_S
    interrupted = False
    while (remains := _ended(nursery, child)) is None:
        _wait(signals, end_s)
        if set(signals.take()) & {signal.SIGTERM, signal.SIGINT}:
            interrupted = True
            nursery.kill(child)
        if clock.monotonic_s() >= end_s:
            nursery.kill(child)
    said = [report for report in child.leash.receive() if isinstance(report, Probed)]
    nursery.clean(child)
    if interrupted:
        return None
    if said:
        return said[-1]
    return Probed(f"the app's import ended the process: {detail_of(remains.code)}", _APP_EXIT)


def _wait(signals: Signals, end_s: float) -> None:
    select.select([signals.fileno()], [], [], max(0.0, end_s - clock.monotonic_s()))


def _ended(nursery: Nursery, child: Child) -> Remains | None:
    return next((remains for remains in nursery.reap() if remains.child is child), None)
