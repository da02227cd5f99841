"""The apps that ringmain runs under measurement: one per task, as a user would write them."""

import work
from work import Order

from ringmain import App

noop = App()
spin = App()
slow = App()
delay = App()
wait = App()

for name, app in {"noop": noop, "spin": spin, "slow": slow, "delay": delay}.items():
    app.on_start(work.start)
    app.route("bench")(work.TASKS[name])
wait.on_start(work.start)
wait.route("bench")(work.wait)

__all__ = ["Order", "delay", "noop", "slow", "spin", "wait"]
