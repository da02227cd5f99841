# mypy: disable-error-code="import-not-found,import-untyped,misc,untyped-decorator"
"""FastStream on its confluent broker. Arguments: bootstrap, topic, group, "one" or "batch".

Decoding is its own idiom where it is a message a call (the annotation), msgspec where it is a batch of bytes.
"""

import asyncio
import sys
from typing import Any

import msgspec
import work
from faststream import AckPolicy, FastStream
from faststream.confluent import KafkaBroker

GATHERED = 100
FROM_THE_BEGINNING: dict[str, Any] = {"auto_offset_reset": "earliest", "isolation_level": "read_committed"}
decode = msgspec.json.Decoder(work.Order).decode


def register_one(broker: KafkaBroker, topic: str, group: str, task: str) -> None:
    options: dict[str, Any] = {"group_id": group, "ack_policy": AckPolicy.ACK, **FROM_THE_BEGINNING}
    if task == "wait":
        options |= {"max_workers": GATHERED, "ack_policy": AckPolicy.ACK_FIRST}

    @broker.subscriber(topic, decoder=lambda message: decode(message.body), **options)
    async def handle(order: Any) -> None:
        if task == "wait":
            await work.wait(order)
        else:
            work.TASKS[task](order)


def register_batch(broker: KafkaBroker, topic: str, group: str, task: str) -> None:
    @broker.subscriber(
        topic,
        group_id=group,
        **FROM_THE_BEGINNING,
        ack_policy=AckPolicy.ACK,
        batch=True,
        max_records=1000,
        decoder=lambda message: [decode(one) for one in message.body],
    )
    async def handle(orders: list[Any]) -> None:
        if task != "wait":
            for order in orders:
                work.TASKS[task](order)
            return
        for first in range(0, len(orders), GATHERED):
            await asyncio.gather(*map(work.wait, orders[first : first + GATHERED]))


def main(bootstrap: str, topic: str, group: str, style: str) -> None:
    task = work.start()
    broker = KafkaBroker(bootstrap, logger=None)
    register = register_one if style == "one" else register_batch
    register(broker, topic, group, task)
    asyncio.run(FastStream(broker, logger=None).run())


if __name__ == "__main__":
    main(*sys.argv[1:])
