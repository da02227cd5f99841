"""What every client under measurement does with a message, and how it tells the bench what it has done.

All clients enter: the hand-written loop, the peers, the app that ringmain runs. Each of their processes keeps
a tally of count and checksum in a small file that the bench reads; a thread writes it 200 times a second,
so that no client pays for it per message. Nothing is measured here.
"""

import array
import asyncio
import os
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

FLUSH_S = 0.005
WAIT_S = 0.010
FAILS_ONE_IN = 100
RECORD = struct.Struct("=QQQ")  # count, sum of ids, monotonic time in ns of the last change


class Order(msgspec.Struct):
    """200 bytes of JSON."""

    id: int
    customer: str
    amount: float
    currency: str
    sent_ns: int
    note: str


class Tally:
    """What this process has handled so far."""

    __slots__ = ("count", "delays", "slow_id", "slow_s", "spins", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0
        self.delays = array.array("Q")
        self.spins = 0
        self.slow_id = -1
        self.slow_s = 0.0


tally = Tally()


def noop(order: Order) -> None:
    tally.count += 1
    tally.total += order.id


def spin(order: Order) -> None:
    """The same amount of work for every client, calibrated once per run of the bench."""
    sum(range(tally.spins))
    tally.count += 1
    tally.total += order.id


def slow(order: Order) -> None:
    """As spin(), but one of them sleeps."""
    if order.id == tally.slow_id:
        time.sleep(tally.slow_s)
    spin(order)


def delay(order: Order) -> None:
    """Notes how long ago the message was produced; the clock is common to all processes of the machine."""
    tally.delays.append(time.monotonic_ns() - order.sent_ns)
    tally.count += 1
    tally.total += order.id


def transform(order: Order) -> None:
    """What is sent on is the same message with another note."""
    order.note = f"seen in {order.currency}"
    tally.count += 1
    tally.total += order.id


async def wait(order: Order) -> None:
    await asyncio.sleep(WAIT_S)
    tally.count += 1
    tally.total += order.id


TASKS: dict[str, Callable[[Order], None]] = {"noop": noop, "spin": spin, "slow": slow, "delay": delay}


def start() -> str:
    """Begin to report in this process, by the environment that the bench gave it; the name of the task."""
    tally.spins = int(os.environ["BENCH_SPINS"])
    tally.slow_id = int(os.environ["BENCH_SLOW_ID"])
    tally.slow_s = float(os.environ["BENCH_SLOW_S"])
    path = Path(os.environ["BENCH_TALLY"]) / f"{os.getpid()}.{time.monotonic_ns()}"
    pause_s = float(os.environ["BENCH_REPORT_S"])
    threading.Thread(target=_report, args=(path, pause_s), daemon=True).start()
    return os.environ["BENCH_TASK"]


def _report(path: Path, pause_s: float) -> None:
    written = (0, 0)
    sent = 0
    with open(path, "wb", buffering=0) as record, open(f"{path}.delays", "wb", buffering=0) as delays:
        while True:
            now = (tally.count, tally.total)
            if now != written:
                os.pwrite(record.fileno(), RECORD.pack(*now, time.monotonic_ns()), 0)
                written = now
            fresh = tally.delays[sent:]
            if fresh:
                delays.write(fresh.tobytes())
                sent += len(fresh)
            time.sleep(pause_s)
