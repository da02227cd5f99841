"""Dead messages in hand as the dead set shows them: in one order over all queues, under ids that stay.

Dead set and hold enter with a Scan. An id is made of what the message and its death are, so that it is the
same at every look on every node; of two that are alike to the last detail (a courier that died between
publish and confirm) the later is told apart by a number.
"""

import hashlib
import heapq
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from ringmain.queues import names
from ringmain.queues.contract import Dead
from ringmain.queues.envelope import Envelope, Foreign, Packed
from ringmain.queues.filters import Filter
from ringmain.queues.rabbit.scan import Held, Scan

Places = Sequence[tuple[str, str]]
"""(route, channel) of the config, "" = the route itself: the broker is not asked for names of queues."""

_ID_BYTES = 12


class DeadHeld(NamedTuple):
    """A dead message and where it is in hand."""

    dead: Dead
    held: Held


def queues_of(app: str, places: Places, chosen: Filter) -> list[str]:
    """The dead queues in which the filter can find something."""
    return [
        names.dead(app, route, channel)
        for route, channel in places
        if chosen.route in (None, route) and chosen.channel in (None, channel)
    ]


def merged(scan: Scan, waiting: Mapping[str, int], want: int) -> Iterator[DeadHeld]:
    """All that wait in these queues, the one that died first first; within a queue in its own order."""
    each = [_of_queue(scan, queue, depth, want) for queue, depth in sorted(waiting.items())]
    return heapq.merge(*each, key=lambda one: one.dead.envelope.failed_ms)


def _of_queue(scan: Scan, queue: str, depth: int, want: int) -> Iterator[DeadHeld]:
    place = names.parse(queue)
    seen: dict[bytes, int] = {}
    for held in scan.rows(queue, depth, want):
        envelope = shown(held.message)
        digest = _digest(queue, envelope)
        number = seen[digest] = seen.get(digest, 0) + 1
        entry_id = digest.hex() + (f"-{number}" if number > 1 else "")
        yield DeadHeld(Dead(entry_id, place.route, place.channel, envelope), held)


def shown(message: Envelope | Packed | Foreign) -> Envelope:
    """As an envelope: what somebody else put into a dead queue is shown with its body and the reason."""
    if isinstance(message, Envelope):
        return message
    headers = message.headers if isinstance(message, Foreign) else []
    reason = message.reason if isinstance(message, Foreign) else "a frame of many messages, in a dead queue"
    return Envelope(
        value=message.body, key=None, headers=headers, topic="", partition=-1, offset=-1, timestamp_ms=0,
        error_class="Foreign", error_message=reason,
    )  # fmt: skip


def _digest(queue: str, message: Envelope) -> bytes:
    known = (
        queue, message.topic, message.partition, message.offset, message.timestamp_ms, message.attempt,
        message.first_failed_ms, message.failed_ms, message.error_class, message.error_message, message.node,
        None if message.topic else message.value,
    )  # fmt: skip
    return hashlib.blake2b(msgspec.msgpack.encode(known), digest_size=_ID_BYTES).digest()
