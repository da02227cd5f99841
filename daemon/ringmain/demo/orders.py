"""The sample app: orders come in, invoices go out.

A ringmain app is a module with an `App` and a function for each route. This one is complete; the file beside
it, ringmain.toml, is the rest of the deployment. What an order asks to `simulate` stands in for the trouble
that real orders make without asking.
"""

import os
import signal

import msgspec

from ringmain import App, Message


class Order(msgspec.Struct):
    """The value of a message. JSON that does not fit goes to the dead set and never reaches the handler."""

    id: int
    customer: str
    amount: float
    simulate: str = ""


app = App()


@app.route("orders")  # the key of [routes.orders] in ringmain.toml
def handle(order: Order, message: Message) -> None:
    """Invoice one order. None means done; any exception means: again later, by the route's retry policy."""
    if order.simulate == "bank is away" and message.attempt == 1:
        raise ConnectionError(f"the bank does not answer for order {order.id}")
    if order.simulate == "crash":
        # As a segfault or the kernel's out-of-memory killer would: this process is gone in the middle of a
        # call. Others take over what it had claimed; after max_crashes this order is in the dead set.
        os.kill(os.getpid(), signal.SIGKILL)
    round(order.amount * 1.2, 2)  # the invoice
