"""The apps that ringmain runs for bench/queues.py, as a user would write them."""

import work

from ringmain import App, Message

noop = App()
noop.on_start(work.start)
noop.route("bench")(work.noop)

fails_once = App()
fails_once.on_start(work.start)


@fails_once.route("bench")
def fail_once(order: work.Order, message: Message) -> None:
    if message.attempt == 1:
        raise ValueError("not yet")
    work.noop(order)
