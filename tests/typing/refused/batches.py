"""The same of handlers of lists."""

import msgspec

from ringmain import App, Batch, Message


class Order(msgspec.Struct):
    id: int


app = App()


@app.batch_route("one")  # refused
def one(order: Order) -> None: ...


@app.batch_route("second")  # refused
def second(orders: list[Order], message: Message) -> None: ...


@app.batch_route("list")  # refused
def gives_list(orders: list[Order]) -> list[int]:
    return [order.id for order in orders]


@app.batch_route("count")  # refused
async def gives_count(orders: list[Order]) -> int:
    return len(orders)


@app.route("batch")  # refused
def gives_batch(order: Order) -> Batch:
    return Batch()


Batch(retry=3)  # refused
