"""Overflow alone: messages a second from the ring into the queues, confirmed; `python bench/overflow.py`.

A feeder here, fed from memory and told to send everything straight for the courier; a courier, the daemon's
own, beside it; its queues a file, or a server (--url). The reference is the same in frames of one message.
Every run reads its frames back and verifies them by count and sum.
"""

import argparse
import multiprocessing
import os
import select
import statistics
import sys
import tempfile
import time
import uuid
from contextlib import closing
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT / "daemon")]

from messages import message  # noqa: E402

from ringmain import courier, lifecycle  # noqa: E402
from ringmain._fastpath import Drain, FeederSide, Intake, PartitionQueue  # noqa: E402
from ringmain.config.load import from_tree  # noqa: E402
from ringmain.config.schema import Config  # noqa: E402
from ringmain.lifecycle import Stop  # noqa: E402
from ringmain.queues import frames, names  # noqa: E402
from ringmain.queues.connect import connect  # noqa: E402
from ringmain.queues.envelope import Packed  # noqa: E402
from ringmain.rings import Board, FeederTerms, Geometry, Segment, bell  # noqa: E402
from ringmain.seat import Seat  # noqa: E402
from ringmain.verdict import OVERFLOW  # noqa: E402

ROUTE = "orders"
SLOTS = 8192
ARENA_BYTES = 16 << 20
EMPTY_S = 5.0


def config(folder: str, url: str) -> Config:
    queues: dict[str, object] = {"backend": "sqlite", "path": f"{folder}/queues.db"}
    if url:
        queues = {"backend": "rabbitmq", "url": url}
    route = {"topics": [ROUTE], "order": "none", "kafka": {"group.id": "bench"}}
    tree = {
        "app": "bench:app",
        "name": f"bench-{uuid.uuid4().hex[:8]}",
        "state_dir": folder,
        "kafka": {"bootstrap.servers": "127.0.0.1:1"},
        "queues": queues,
        "routes": {ROUTE: route},
    }
    return from_tree(tree, folder=folder)


def carry(deployment: Config, segment: Segment, link: lifecycle.Link) -> None:
    """The courier's process."""
    seat = Seat("courier", deployment, {ROUTE: segment}, Board(1), 0, link)
    courier.run(seat)


def feed(side: FeederSide, queue: PartitionQueue, messages: int) -> float:
    """Everything into the ring and out of it again; the seconds that it took."""
    index = side.partition_index(ROUTE, 0)
    side.open_partition(index, 0)
    intake = Intake(side, b"")
    intake.straight(OVERFLOW, limit_bytes=frames.FRAME_BYTES)
    watch = select.poll()
    watch.register(side.fileno(), select.POLLIN)
    while not side.greet_courier():  # a courier that is still to come would be sent everything again
        time.sleep(0.01)
    began_s = time.perf_counter()
    while side.low_water(index) < messages or side.position(index) < messages:
        moved = intake.take(queue, index, SLOTS)
        if not side.settle() and not moved:
            if side.prepare_sleep():
                watch.poll(1000)
            side.awake()
    return time.perf_counter() - began_s


def read_back(deployment: Config) -> tuple[int, int]:
    """(messages, sum of their offsets) in the overflow queue; emptied by this."""
    count = total = 0
    with closing(connect(deployment).taker([names.overflow(deployment.name, ROUTE)])) as taker:
        silent_since_s = time.monotonic()
        while time.monotonic() - silent_since_s < EMPTY_S:
            taker.pump()
            for delivery in taker.take(64):
                assert isinstance(delivery.envelope, Packed)
                offsets = [one.offset for one in frames.unpack(delivery.envelope.body)]
                count, total = count + len(offsets), total + sum(offsets)
                taker.ack([delivery.tag])
                silent_since_s = time.monotonic()
    return count, total


def run(messages: int, url: str, in_a_frame: int) -> float:
    """Messages a second."""
    queue = PartitionQueue(Drain(), ROUTE, 0)
    for number in range(messages):
        queue.push(None, message(number), b"", number, 0)
    fork = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        deployment = config(folder, url)
        segment = Segment.create(Geometry(1, 1, SLOTS, ARENA_BYTES), courier_bell := bell())
        leash, link = lifecycle.pair()
        child = fork.Process(target=carry, args=(deployment, segment, link), daemon=True)
        child.start()
        side = segment.open_feeder(0, 1, FeederTerms(courier_share=True))
        side.limit_frames(in_a_frame)
        took_s = feed(side, queue, messages)
        leash.send(Stop(time.monotonic() + 5))
        child.join()
        found = read_back(deployment)
        for held in (leash, link, segment, queue):
            held.close()
        os.close(courier_bell)
    if found != (messages, messages * (messages - 1) // 2):
        sys.exit(f"{found[0]} messages (sum {found[1]}) were in the queue, {messages} were sent")
    return messages / took_s


def main() -> None:
    parser = argparse.ArgumentParser(description="messages a second that overflow, confirmed")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--url", default="", help="of a RabbitMQ; without one a SQLite file")
    given = parser.parse_args()
    reference = run(given.messages // 20, given.url, 1)
    print(f"{'frames of one message':28} {reference:12,.0f} messages/s")
    rates = [run(given.messages, given.url, 0) for _ in range(given.runs)]
    median = statistics.median(rates)
    print(f"{'frames as the courier packs':28} {median:12,.0f} messages/s  {median / reference:5.1f} x")
    print(f"{'':28} {min(rates):12,.0f} to {max(rates):,.0f}")


if __name__ == "__main__":
    main()
