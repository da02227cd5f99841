# mypy: ignore-errors
# faust -A orders worker -l info, four times
import asyncio
import time

import faust
from billing import bill
from faust.exceptions import ValidationError, ValueDecodeError

DELAYS_S = (5, 10)


class Order(faust.Record, validation=True):
    id: int
    customer: str
    amount: float


app = faust.App("billing", broker="kafka://127.0.0.1:9092", producer_acks=-1)
first, second, third = (
    app.topic(name, value_type=bytes, value_serializer="raw")
    for name in ("orders", "orders.retry.5", "orders.retry.10")
)
dead_orders = app.topic("orders.dead", value_type=bytes, value_serializer="raw")


async def pass_on(event: faust.EventT, topic: faust.TopicT, headers: dict[str, bytes]) -> None:
    # The first await hands it to the producer, the second one waits for Kafka.
    await (await topic.send(key=event.key, value=event.value, headers=headers))


async def dead(event: faust.EventT, reason: str) -> None:
    await pass_on(event, dead_orders, {"reason": reason.encode()})


async def handle(event: faust.EventT, attempt: int) -> None:
    try:
        order = Order.loads(event.value, serializer="json")
    except (ValidationError, ValueDecodeError, TypeError) as error:
        return await dead(event, str(error))
    if order.amount <= 0:
        return await dead(event, "no amount")
    try:
        await asyncio.to_thread(bill, order)
    except Exception as error:
        if attempt > len(DELAYS_S):
            return await dead(event, repr(error))
        due = str(time.time() + DELAYS_S[attempt - 1]).encode()
        await pass_on(event, (second, third)[attempt - 1], {"due": due})


async def wait(event: faust.EventT) -> None:
    await asyncio.sleep(max(0.0, float(event.headers["due"]) - time.time()))


@app.agent(first)
async def orders(stream: faust.StreamT) -> None:
    async for event in stream.events():
        await handle(event, 1)


@app.agent(second)
async def retries(stream: faust.StreamT) -> None:
    async for event in stream.events():
        await wait(event)
        await handle(event, 2)


@app.agent(third)
async def last_retries(stream: faust.StreamT) -> None:
    async for event in stream.events():
        await wait(event)
        await handle(event, 3)
