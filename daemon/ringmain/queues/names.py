"""The names of queues and of the control exchange: the only place that writes or reads one.

Everybody who publishes, takes or counts enters. Names of apps, routes and channels hold no dot and the kinds
are reserved words, so a name always reads back to the one place it was made from.
"""

from functools import lru_cache
from typing import Literal

import msgspec

Kind = Literal["ready", "delay", "dead", "overflow"]
_PLAIN: dict[str, Kind] = {"ready": "ready", "dead": "dead", "overflow": "overflow"}


class Place(msgspec.Struct, frozen=True):
    """What a queue's name says: whose it is, what it holds, and a delay queue's step."""

    app: str
    route: str
    channel: str
    kind: Kind
    delay_s: int = 0


def ready(app: str, route: str, channel: str = "") -> str:
    """`{app}.{route}[.{channel}].ready`: what a queue feeder takes."""
    return f"{_stem(app, route, channel)}.ready"


def delay(app: str, route: str, delay_s: int, channel: str = "") -> str:
    """`….delay.{seconds}`: becomes ready after one step of the ladder."""
    return f"{_stem(app, route, channel)}.delay.{delay_s}"


def dead(app: str, route: str, channel: str = "") -> str:
    """`….dead`: the dead set of a route or a channel."""
    return f"{_stem(app, route, channel)}.dead"


def overflow(app: str, route: str) -> str:
    """`{app}.{route}.overflow`: packed frames of what does not fit in the ring."""
    return f"{app}.{route}.overflow"


def of(place: Place) -> str:
    """The name of the queue at this place: what `parse` reads back."""
    if place.kind == "delay":
        return delay(place.app, place.route, place.delay_s, place.channel)
    return f"{_stem(place.app, place.route, place.channel)}.{place.kind}"


def kind_of(word: str, delay_s: int) -> Kind:
    """What kind a queue is that keeps its delayed messages beside its ready ones."""
    return "delay" if delay_s else _PLAIN[word]


def hold_lock(app: str) -> str:
    """Exclusive while somebody acts on the dead set. No route can be called "dead": it is no place's name."""
    return f"{app}.dead.hold"


def scan_lock(app: str) -> str:
    """Exclusive while somebody has dead messages in hand to look at them."""
    return f"{app}.dead.scan"


def holder_note(app: str) -> str:
    """Who acts on the dead set: one message, worth something while the hold lock is taken."""
    return f"{app}.dead.holder"


def control(app: str) -> str:
    """The exchange over which the nodes of an app hear each other. No route can be called "control"."""
    return f"{app}.control"


def control_queue(app: str, listener: str) -> str:
    """The queue of one listener there, of which no other has the word `listener`."""
    return f"{control(app)}.{listener}"


@lru_cache(maxsize=4096)
def parse(queue: str) -> Place:
    """What the name says; ValueError when it is not one of ours."""
    match queue.split("."):
        case [app, route, "delay", seconds] if seconds.isdigit():
            return Place(app, route, "", "delay", int(seconds))
        case [app, route, channel, "delay", seconds] if seconds.isdigit():
            return Place(app, route, channel, "delay", int(seconds))
        case [app, route, kind] if kind in _PLAIN:
            return Place(app, route, "", _PLAIN[kind])
        case [app, route, channel, kind] if kind in _PLAIN:
            return Place(app, route, channel, _PLAIN[kind])
    raise ValueError(f"{queue!r} is not the name of a queue of ringmain")


def _stem(app: str, route: str, channel: str) -> str:
    return f"{app}.{route}.{channel}" if channel else f"{app}.{route}"
