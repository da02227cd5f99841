# mypy: disable-error-code="import-not-found,import-untyped,misc,untyped-decorator"
"""aiokafka, the batch way: getmany(), each message decoded and handled; waiting calls a hundred at a time.

Arguments: bootstrap, topic, group.
"""

import asyncio
import sys

import aiokafka
import msgspec
import work

GATHERED = 100


async def handle_all(task: str, orders: list[work.Order]) -> None:
    if task != "wait":
        handle = work.TASKS[task]
        for order in orders:
            handle(order)
        return
    for first in range(0, len(orders), GATHERED):
        await asyncio.gather(*map(work.wait, orders[first : first + GATHERED]))


async def main(bootstrap: str, topic: str, group: str) -> None:
    task = work.start()
    decode = msgspec.json.Decoder(work.Order).decode
    consumer = aiokafka.AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    await consumer.start()
    loop = asyncio.get_running_loop()
    commit_at_s = loop.time() + 1.0
    while True:
        batches = await consumer.getmany(timeout_ms=100, max_records=2000)
        for messages in batches.values():
            await handle_all(task, [decode(message.value) for message in messages])
        if batches and loop.time() >= commit_at_s:
            commit_at_s = loop.time() + 1.0
            await consumer.commit()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
