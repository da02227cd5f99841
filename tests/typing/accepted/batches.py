"""Handlers of lists."""

import msgspec

from ringmain import App, AsyncCall, Batch, Call, Message, Outcome


class Order(msgspec.Struct):
    id: int


app = App()


@app.middleware
def timed(call: Call, message: Message | list[Message]) -> Outcome:
    print(message.id if isinstance(message, Message) else len(message))
    return call()


@app.batch_route("orders", dead_on=ValueError)
def load(orders: list[Order], messages: list[Message]) -> Batch | None:
    bad = [(order, "no id") for order in orders if not order.id]
    return Batch(retry=[0], dead=bad, after_s=2) if messages else None


@app.batch_route("tombstones")
def with_tombstones(orders: list[Order | None]) -> None: ...


@app.batch_route("raw")
def raw(data: list[bytes]) -> Batch:
    return Batch(skip=[one for one in data if not one])


@app.batch_route("messages")
def messages_only(messages: list[Message]) -> None: ...


later = App()


@later.middleware
async def awaited(call: AsyncCall, message: list[Message]) -> Outcome:
    return await call()


@later.batch_route("orders")
async def load_later(orders: list[Order]) -> Batch | None:
    return None
