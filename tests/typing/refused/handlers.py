"""What a type checker must refuse: each marked line, and no other."""

from collections.abc import Iterator

import msgspec

from ringmain import App, Message, Retry, Skip


class Order(msgspec.Struct):
    id: int


class Database: ...


app = App()


@app.route("number")  # refused
def number(order: Order) -> int:
    return order.id


@app.route("flag")  # refused
async def flag(order: Order) -> bool:
    return True


@app.route("class")  # refused
def gives_class(order: Order) -> type[Retry]:
    return Retry


@app.route("nothing")  # refused
def nothing() -> None: ...


@app.route("second")  # refused
def second(order: Order, database: Database) -> None: ...


@app.route("third")  # refused
def third(order: Order, message: Message, database: Database) -> None: ...


@app.route("generator")  # refused
def generator(order: Order) -> Iterator[Order]:
    yield order


@app.channel("orders", "review")  # refused
def in_channel(order: Order) -> str:
    return "done"


@app.route  # refused
def nameless(order: Order) -> None: ...


app.route("words", dead_on=("ValueError",))  # refused
app.route("object", skip_on=Order(1))  # refused
app.route("orders", attempts=3)  # refused


def wrong_outcomes(message: Message) -> Skip | Retry:
    Retry(after_s="5")  # refused
    Skip()  # refused
    message.value = b"other"  # refused
    message.headers["a"]  # refused
    return None  # refused
