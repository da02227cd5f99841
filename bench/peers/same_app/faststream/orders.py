# mypy: ignore-errors
# faststream run orders:app --workers 4
import asyncio
import time

from billing import bill
from faststream import AckPolicy, FastStream
from faststream.confluent import KafkaBroker
from faststream.confluent.annotations import KafkaMessage
from pydantic import BaseModel, ValidationError

DELAYS_S = (5, 10)


class Order(BaseModel):
    id: int
    customer: str
    amount: float


broker = KafkaBroker("127.0.0.1:9092", acks="all")
app = FastStream(broker)


async def pass_on(message: KafkaMessage, topic: str, headers: dict[str, str]) -> None:
    key = message.raw_message.key()
    await broker.publish(message.body, topic=topic, key=key, headers=headers)


async def dead(message: KafkaMessage, reason: str) -> None:
    await pass_on(message, "orders.dead", {"reason": reason})


async def handle(message: KafkaMessage, attempt: int) -> None:
    try:
        order = Order.model_validate_json(message.body)
    except ValidationError as error:
        return await dead(message, str(error))
    if order.amount <= 0:
        return await dead(message, "no amount")
    try:
        await asyncio.to_thread(bill, order)
    except Exception as error:
        if attempt > len(DELAYS_S):
            return await dead(message, repr(error))
        delay_s = DELAYS_S[attempt - 1]
        due = str(time.time() + delay_s)
        await pass_on(message, f"orders.retry.{delay_s}", {"due": due})


async def wait(message: KafkaMessage) -> None:
    await asyncio.sleep(max(0.0, float(message.headers["due"]) - time.time()))


# Without NACK_ON_ERROR the offset is committed although the publish to a retry topic failed.
@broker.subscriber("orders", group_id="billing", ack_policy=AckPolicy.NACK_ON_ERROR)
async def first(message: KafkaMessage) -> None:
    await handle(message, 1)


@broker.subscriber("orders.retry.5", group_id="billing", ack_policy=AckPolicy.NACK_ON_ERROR)
async def second(message: KafkaMessage) -> None:
    await wait(message)
    await handle(message, 2)


@broker.subscriber("orders.retry.10", group_id="billing", ack_policy=AckPolicy.NACK_ON_ERROR)
async def third(message: KafkaMessage) -> None:
    await wait(message)
    await handle(message, 3)
