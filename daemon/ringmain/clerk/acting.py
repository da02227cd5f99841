"""What an order comes to: which batch work it asks for, on which messages, with which value.

The command line and the admin enter before a job begins. Kafka's client is loaded only by an order that names
a topic.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager

from msgspec.structs import replace

from ringmain.clerk import actions
from ringmain.clerk.actions import Act
from ringmain.clerk.job import counted
from ringmain.clerk.orders import Edit, Order
from ringmain.config.schema import Config
from ringmain.errors import JobRefused
from ringmain.nearest import nearest
from ringmain.queues.contract import Dead, DeadSet
from ringmain.queues.filters import Filter


@contextmanager
def acting(order: Order, config: Config, dead_set: DeadSet) -> Iterator[Act]:
    """What is done with a batch. RepublishRefused for a topic that cannot be had."""
    if order.action == "delete":
        yield actions.delete
    elif order.topic:
        from ringmain.kafka.republish import Republisher

        properties = {name: route.kafka for name, route in config.routes.items()}
        with closing(Republisher(properties, config.kafka)) as republisher:
            routes = [count.group[0] for count in dead_set.summary(order.chosen, ["route"])]
            republisher.check(order.topic, routes)
            yield actions.edited(actions.republishing(republisher, order.topic), order.edit)
    else:
        places = {name: ("", *route.channels) for name, route in config.routes.items()}
        yield actions.edited(actions.replaying(places), order.edit)


def with_edit(order: Order, dead_set: DeadSet, edit: Callable[[Dead], Edit | None]) -> Order:
    """For exactly one message, with the value that `edit` makes of it; None = as it is."""
    found = dead_set.read(order.chosen, 2)
    if len(found) != 1:
        many = counted(dead_set, replace(order, limit=None)) if found else 0
        raise JobRefused(f"an edit changes exactly one message, and {many} pass these filters: give its id")
    return replace(order, edit=edit(found[0]), chosen=Filter(ids=(found[0].id,)))


def stranger(config: Config, dead_set: DeadSet, chosen: Filter) -> str:
    """Which word of the filter is nowhere, and the nearest that is somewhere; "" when all is known.

    Silence would look like "nothing is dead".
    """
    route, channel = chosen.route, chosen.channel
    places = {name: {"", *settings.channels} for name, settings in config.routes.items()}
    if not _is_unknown(places, route, channel):
        return ""
    for count in dead_set.summary(Filter(), ["route", "channel"]):
        places.setdefault(count.group[0], {""}).add(count.group[1])
    if route is not None and route not in places:
        return _no_such("route", route, places)
    if _is_unknown(places, route, channel):
        of_route = places[route] if route is not None else set().union(*places.values())
        return _no_such("channel", str(channel), of_route)
    return ""


def _is_unknown(places: dict[str, set[str]], route: str | None, channel: str | None) -> bool:
    if route is not None and route not in places:
        return True
    channels = set().union(*places.values()) if route is None else places[route]
    return channel is not None and channel not in channels


def _no_such(what: str, word: str, known: Iterable[str]) -> str:
    names = sorted(name for name in known if name)
    near = nearest(word, names, 0.5)
    hint = f"did you mean {near!r}?" if near else f"there is {', '.join(map(repr, names)) or 'none'}"
    return f"{what} {word!r} is neither in the config nor in the dead set: {hint}"
