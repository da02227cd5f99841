"""Queue backends for the contract tests: each a way to `contract.Queues` over a file or server of its own.

The contract tests enter, and the processes that they kill. A backend joins by one entry in BACKENDS; its
address is a folder for SQLite, for a server whatever leads another process to the same queues.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ringmain.clock import monotonic_s
from ringmain.queues import names
from ringmain.queues.contract import Delivery, Publisher, Queues, Settled, Taker
from ringmain.queues.envelope import Envelope, Packed
from ringmain.queues.rabbit import Access, RabbitQueues, Topology
from ringmain.queues.rabbit import address as rabbit_address
from ringmain.queues.rabbit.taker import RabbitTaker
from ringmain.queues.sqlite import SqliteQueues
from ringmain.queues.sqlite.taker import SqliteTaker
from ringmain.types import QueueType
from support.waiting import PATIENCE_S, eventually

APP = "shop"
READY = names.ready(APP, "orders")
DEAD = names.dead(APP, "orders")
HOMES = [("orders", ""), ("orders", "slow"), ("refunds", "")]
QUIET_S = 0.5
"""A broker pushes: that nothing is ready is known only after a while."""


def rabbit_access(url: str, **changes: Any) -> Access:
    """The access of one URL; `username` and `password` count over it, the rest over the Access."""
    named = {name: changes.pop(name) for name in ("username", "password") if name in changes}
    return Access([rabbit_address(url, **named)], **changes)


def rabbit_queues(url: str, kind: QueueType = "quorum", **changes: Any) -> RabbitQueues:
    """RabbitMQ's queues of APP."""
    return RabbitQueues(APP, rabbit_access(url, **changes), Topology(kind), HOMES)


RABBIT: dict[str, Callable[[str], Queues]] = {
    "rabbitmq": rabbit_queues,
    "rabbitmq-classic": lambda url: rabbit_queues(url, "classic"),
}
BACKENDS: dict[str, Callable[[str], Queues]] = {
    "sqlite": lambda address: SqliteQueues(APP, Path(address) / "queues.db"),
    **RABBIT,
}


def empty(url: str) -> None:
    """Delete every queue of APP; one that is not there is no error for the broker."""
    rabbit_queues(url).delete()


def message(number: int, **fields: Any) -> Envelope:
    """A message that is told apart by its offset."""
    known: dict[str, Any] = {
        "value": b'{"id":%d}' % number, "key": b"k%d" % number, "headers": [("a", b"1"), ("a", None)],
        "topic": "orders", "partition": 0, "offset": number, "timestamp_ms": 1_700_000_000_000,
    }  # fmt: skip
    return Envelope(**{**known, **fields})


def bring(publisher: Publisher, queue: str, messages: Iterable[Envelope | Packed]) -> None:
    """Publish, and again what is lost, as a courier does, until all is confirmed."""
    under_way: dict[int, Envelope | Packed] = {}

    def send(some: Iterable[Envelope | Packed]) -> None:
        batch = [(queue, message) for message in some]
        under_way.update(zip(publisher.publish(batch), [message for _, message in batch], strict=True))

    def confirmed() -> bool:
        publisher.pump()
        news = publisher.settled()
        if news.refused:
            raise ValueError(f"the queues refuse it: {news.refused}")
        for ticket in news.confirmed:
            del under_way[ticket]
        send([under_way.pop(ticket) for ticket in news.lost])
        return not under_way

    send(messages)
    eventually(confirmed)


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


def take(taker: Taker, count: int, deadline_s: float = PATIENCE_S) -> list[Delivery]:
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
    quiet_s = 0.0 if isinstance(taker, SqliteTaker) else QUIET_S
    taken_s = monotonic_s()

    def exhausted() -> bool:
        nonlocal taken_s
        taker.pump()
        while batch := taker.take(1000):
            held.extend(batch)
            taken_s = monotonic_s()
        if not _is_served(taker):
            taken_s = monotonic_s()
        return monotonic_s() - taken_s >= quiet_s

    eventually(exhausted)
    return held


def _is_served(taker: Taker) -> bool:
    """Does the server push to it what there is? Before that its silence says nothing."""
    if not isinstance(taker, RabbitTaker):
        return True
    asked = [taker._prefetch_now(queue) == taker._prefetch(queue) for queue in taker._queues]
    return all(asked) and not taker._channel.busy


def settle(taker: Taker, deliveries: Iterable[Delivery]) -> None:
    """Ack; said now, or soon with what follows."""
    taker.ack([delivery.tag for delivery in deliveries])
    taker.pump()


def offsets(deliveries: Iterable[Delivery]) -> list[int]:
    """Which messages these are."""
    envelopes = [delivery.envelope for delivery in deliveries]
    return [envelope.offset for envelope in envelopes if isinstance(envelope, Envelope)]
