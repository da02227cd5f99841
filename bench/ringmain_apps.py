"""The apps that ringmain runs under measurement: one per task, as a user would write them."""

import work
from work import Order

from ringmain import App

noop = App()
spin = App()
slow = App()
delay = App()
wait = App()

for app, task in (
    (noop, work.noop),
    (spin, work.spin),
    (slow, work.slow),
    (delay, work.delay),
    (wait, work.wait),
):
    app.on_start(work.start)
    app.route("bench")(task)

__all__ = ["Order", "delay", "noop", "slow", "spin", "wait"]
