"""Middlewares, hooks and what belongs to a handler's surroundings."""

import logging
import time

from ringmain import App, AsyncCall, Call, Codec, Delivery, Message, Outcome, Producer, Sent
from ringmain.logging import MessageFilter, add_message, current_message

app = App()
audit: Producer = app.producer("audit")
app.codec("upper", Codec(decode=lambda data, wanted: data.upper(), encode=lambda value: bytes(value)))


@app.middleware
def timed(call: Call, message: Message) -> Outcome:
    began_s = time.monotonic()
    outcome = call()
    print(message.id, time.monotonic() - began_s, outcome)
    return outcome


@app.middleware
def forgets(call: Call, message: Message) -> None:
    call()


@app.on_start
def connect() -> None:
    app.state.database = {}
    own = logging.StreamHandler()
    own.addFilter(MessageFilter())
    print(add_message(None, "info", {"event": "x"}))


@app.on_stop
async def disconnect() -> None:
    app.state.database.clear()


@app.route("orders")
def handle(order: dict[str, int]) -> None:
    delivery: Delivery = audit.send("audit", b"x", key="k", headers=[("a", b"b")])
    sent: Sent = delivery.result(5)
    present = current_message()
    print(sent.offset, present.id if present else "")


later = App()


@later.middleware
async def awaited(call: AsyncCall, message: Message) -> Outcome:
    return await call()


@later.route("orders")
async def handle_later(order: dict[str, int]) -> None:
    await audit.send("audit", None, partition=3)
