"""What an operator asks for: which dead messages, what is to become of them, how fast and how many.

The command line makes an Order, a Job carries it out, its record says it in words. Pure.
"""

from typing import Literal

import msgspec

from ringmain.errors import JobRefused
from ringmain.queues.entry import iso
from ringmain.queues.filters import Filter

Action = Literal["replay", "delete", "expire"]


class Edit(msgspec.Struct, frozen=True):
    """A value in the place of the message's own; None is a tombstone."""

    value: bytes | None


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One bulk call. `topic` = to this Kafka topic instead of the route."""

    action: Action
    chosen: Filter
    who: str
    topic: str = ""
    limit: int | None = None
    rate: float | None = None
    max_failed: int | None = None
    edit: Edit | None = None


def check(order: Order, everything: bool) -> None:
    """Raise for what nobody can mean: no filter and not `everything`, or both."""
    filtered = bool(in_words(order.chosen))
    if not filtered and not everything:
        raise JobRefused(f"no filter is given: to {order.action} everything say --all")
    if filtered and everything:
        raise JobRefused("--all and filters exclude each other: leave one out")


def in_words(chosen: Filter) -> dict[str, object]:
    """The conditions that are set, as they are given on the command line: for records, logs and receipts."""
    said: dict[str, object] = {
        "id": list(chosen.ids),
        "route": chosen.route,
        "channel": chosen.channel,
        "topic": chosen.topic,
        "partition": chosen.partition,
        "error": chosen.error,
        "text": chosen.text,
        "key": None if chosen.key is None else chosen.key.decode(errors="backslashreplace"),
        "where": [f"{'.'.join(one.path)}={one.value}" for one in chosen.where],
        "since": None if chosen.since_ms is None else iso(chosen.since_ms),
        "until": None if chosen.until_ms is None else iso(chosen.until_ms),
    }
    return {name: value for name, value in said.items() if value is not None and value != []}
