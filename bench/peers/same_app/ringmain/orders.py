# mypy: ignore-errors
import msgspec
from billing import bill

from ringmain import App, Dead


class Order(msgspec.Struct):
    id: int
    customer: str
    amount: float


app = App()


@app.route("orders")
def handle(order: Order) -> Dead | None:
    if order.amount <= 0:
        return Dead("no amount")
    bill(order)
    return None
