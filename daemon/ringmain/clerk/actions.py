"""What a job does with a batch that it holds: replay, delete, republish to a Kafka topic.

A Job calls one of them. LOSS: republished messages leave the dead set only when Kafka has confirmed them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from msgspec.structs import replace

from ringmain.clerk.orders import Edit
from ringmain.queues.contract import Acted, Dead, Hold
from ringmain.queues.envelope import Envelope, Headers
from ringmain.queues.replay import parted

Act = Callable[[Hold, Sequence[Dead]], Acted]
Places = Mapping[str, Collection[str]]
"""Route -> its channels, "" for the route itself: where somebody takes messages from."""


Copy = tuple[str, bytes | None, bytes | None, Headers, str]
"""Route, value, key, headers, and where it comes from."""


class Printer(Protocol):
    """Puts messages into a Kafka topic: for each "" once it is confirmed, else why it is not."""

    def send(self, topic: str, batch: Sequence[Copy]) -> list[str]: ...


def delete(hold: Hold, batch: Sequence[Dead]) -> Acted:
    """Gone for good."""
    ids = [dead.id for dead in batch]
    hold.remove(ids)
    return Acted(ids, [])


def replaying(places: Places) -> Act:
    """To the ready queue of its route or channel. LOSS: never into a queue that nobody takes from."""

    def replay(hold: Hold, batch: Sequence[Dead]) -> Acted:
        known = [dead for dead in batch if dead.channel in places.get(dead.route, ())]
        lost = [(dead.id, _nobody(dead)) for dead in batch if dead.channel not in places.get(dead.route, ())]
        acted = hold.replay(known) if known else Acted([], [])
        return Acted(acted.done, acted.refused + lost)

    return replay


def republishing(printer: Printer, topic: str) -> Act:
    """To a Kafka topic, each from its route's own cluster."""

    def republish(hold: Hold, batch: Sequence[Dead]) -> Acted:
        able, refused = parted(batch)
        said = printer.send(topic, [_copy(dead) for dead in able])
        done = [dead.id for dead, reason in zip(able, said, strict=True) if not reason]
        refused += [(dead.id, reason) for dead, reason in zip(able, said, strict=True) if reason]
        hold.remove(done)
        return Acted(done, refused)

    return republish


def edited(act: Act, edit: Edit | None) -> Act:
    """The same with another value."""
    if edit is None:
        return act
    value = edit.value

    def act_on_edited(hold: Hold, batch: Sequence[Dead]) -> Acted:
        return act(hold, [dead._replace(envelope=_with(dead.envelope, value)) for dead in batch])

    return act_on_edited


def _copy(dead: Dead) -> Copy:
    message = dead.envelope
    return dead.route, message.value, message.key, message.headers, message.message_id


def _with(envelope: Envelope, value: bytes | None) -> Envelope:
    return replace(envelope, value=value, withheld_bytes=0)


def _nobody(dead: Dead) -> str:
    place = f"channel {dead.channel!r} of route {dead.route!r}" if dead.channel else f"route {dead.route!r}"
    return f"{place} is not in the config: nobody would take it"
