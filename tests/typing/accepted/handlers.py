"""Every shape of a handler, and every outcome."""

from dataclasses import dataclass
from typing import Any, TypedDict

import msgspec

from ringmain import App, Dead, Message, Outcome, Pause, Retry, Skip, To


class Order(msgspec.Struct):
    id: int
    amount: float


@dataclass
class Refund:
    id: int


class Payment(TypedDict):
    id: int


app = App()


@app.route("orders", dead_on=(ValueError, KeyError), skip_on=LookupError)
def value(order: Order) -> None:
    reveal: float = order.amount
    print(reveal)


@app.route("with-message")
def with_message(order: Order | None, message: Message) -> Outcome:
    headers: list[tuple[str, bytes | None]] = message.headers
    if order is None or not headers:
        return Skip(f"{message.id} at {message.offset + message.attempt}")
    return None


@app.route("raw")
def raw(data: bytes) -> Retry | None:
    return Retry(after_s=2, reason="429", count=False) if data else None


@app.route("message-only")
def message_only(message: Message) -> Dead | Skip | Pause:
    if message.key is None:
        raise Retry(reason="no key")
    return Pause(10, "away") if message.value else Dead("empty")


@app.route("loose")
def loose(order: dict[str, Any]) -> To | None:
    return To("review") if order["amount"] > 10 else None


@app.channel("loose", "review", dead_on=ValueError)
def review(payment: Payment, message: Message) -> None:
    print(payment["id"], message.channel)


@app.route("later")
async def later(refund: Refund, message: Message) -> Outcome:
    return Retry() if refund.id == message.partition else None


@app.route("keyed")
def keyed(order: Order, *, key: int) -> None:
    print(order.id + key)


@app.route("keyed-later")
async def keyed_later(order: Order, message: Message, *, key: str) -> None:
    print(order.id, message.id, key.upper())


@app.route("defaults")
def with_default(order: Order, verbose: bool = False) -> None: ...


class Service:
    """Handlers may be methods, if they are registered bound."""

    def handle(self, order: Order) -> Outcome:
        return None

    def __call__(self, order: Order, message: Message) -> Outcome:
        return None


app.route("method")(Service().handle)
app.route("object")(Service())

# What is registered stays what it was.
value(Order(1, 2.0))
outcome: Retry | None = raw(b"")
