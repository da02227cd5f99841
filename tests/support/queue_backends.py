"""Queue backends for the contract tests: each a way to `contract.Queues` over a file or server of its own.

The contract tests enter, and the processes that they kill. A backend joins by one entry in BACKENDS; its
address is a folder for SQLite, for a server whatever leads another process to the same queues.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ringmain.queues import names
from ringmain.queues.contract import Delivery, Publisher, Queues, Settled, Taker
from ringmain.queues.envelope import Envelope
from ringmain.queues.sqlite import SqliteQueues
from support.waiting import eventually

APP = "shop"
READY = names.ready(APP, "orders")
DEAD = names.dead(APP, "orders")

BACKENDS: dict[str, Callable[[str], Queues]] = {
    "sqlite": lambda address: SqliteQueues(APP, Path(address) / "queues.db"),
}


def message(number: int, **fields: Any) -> Envelope:
    """A message that is told apart by its offset."""
    known: dict[str, Any] = {
        "value": b'{"id":%d}' % number, "key": b"k%d" % number, "headers": [("a", b"1"), ("a", None)],
        "topic": "orders", "partition": 0, "offset": number, "timestamp_ms": 1_700_000_000_000,
    }  # fmt: skip
    return Envelope(**{**known, **fields})


def publish(publisher: Publisher, queue: str, messages: Iterable[Envelope]) -> Settled:
    """Publish and wait until each ticket is settled."""
    open_tickets = set(publisher.publish([(queue, envelope) for envelope in messages]))
    settled = Settled([], [], [])

    def all_settled() -> bool:
        publisher.pump()
        news = publisher.settled()
        settled.confirmed.extend(news.confirmed)
        settled.lost.extend(news.lost)
        settled.refused.extend(news.refused)
        open_tickets.difference_update(settled.confirmed, settled.lost, [r.ticket for r in settled.refused])
        return not open_tickets

    eventually(all_settled)
    return settled


def take(taker: Taker, count: int, deadline_s: float = 5.0) -> list[Delivery]:
    """Take until `count` messages are held, or fail."""
    held: list[Delivery] = []

    def enough() -> bool:
        taker.pump()
        held.extend(taker.take(count - len(held)))
        return len(held) >= count

    eventually(enough, deadline_s, f"{count} messages from {taker}")
    return held


def take_all(taker: Taker) -> list[Delivery]:
    """Take until nothing is ready now."""
    held: list[Delivery] = []
    taker.pump()
    while batch := taker.take(1000):
        held += batch
    return held


def settle(taker: Taker, deliveries: Iterable[Delivery]) -> None:
    """Ack, and see it said."""
    taker.ack([delivery.tag for delivery in deliveries])
    taker.pump()


def offsets(deliveries: Iterable[Delivery]) -> list[int]:
    """Which messages these are."""
    return [delivery.envelope.offset for delivery in deliveries]
