"""The producers of an app, made ready in a process that runs its code.

Handler processes and web workers enter once, after their fork and before the author's first line. No client
comes to life here, and its library is loaded only for an app that has producers. Nothing is sent.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ringmain.app import App
from ringmain.config.producers import shared_by_transactions
from ringmain.config.schema import Config, Producer
from ringmain.errors import AppError
from ringmain.formats import Encode, Sources, encoder, schema_text
from ringmain.schemas import WITH_SCHEMAS

if TYPE_CHECKING:
    from ringmain.kafka.outlets import Outlets
    from ringmain.kafka.producing import Boxes, Offer
    from ringmain.kafka.transacting import Transaction

ANSWER_S = 30.0
"""The longest answer of a schema registry."""
REQUEST_S = 10.0
"""How long a mounted route waits for room in a client's queue: its worker has few threads."""


def for_calls_in_turn(app: App, config: Config, who: str, boxes: Boxes, patience_s: float) -> Outlets:
    """Where one call follows another; a `send` waits so long for room."""
    from ringmain.kafka.outlets import Outlets
    from ringmain.kafka.producing import KafkaOutlet

    offers = _offers(app, config, who, patience_s)
    made = Outlets(offers, lambda name, offer: KafkaOutlet(name, offer, boxes))
    return _opened(app, made)


def for_event_loop(
    app: App, config: Config, who: str, boxes: Boxes, events: asyncio.AbstractEventLoop
) -> Outlets:
    """Where calls overlap on a loop."""
    from ringmain.kafka.outlets import Outlets
    from ringmain.kafka.producing_elsewhere import LoopOutlet

    made = Outlets(_offers(app, config, who), lambda name, offer: LoopOutlet(name, offer, boxes, events))
    return _opened(app, made)


def for_threads(app: App, config: Config, who: str) -> Outlets:
    """Where any thread may send, and no message waits for it."""
    from ringmain.kafka.outlets import Outlets
    from ringmain.kafka.producing_elsewhere import ThreadsOutlet

    offers = _offers(app, config, who, REQUEST_S)
    made = Outlets(offers, lambda name, offer: ThreadsOutlet(name, offer, lambda: None))
    return _opened(app, made)


def transaction(config: Config, route: str, seat: int) -> Transaction:
    """The transactions of the handler in this seat of the route's ring: no other one alive has their id."""
    from ringmain.kafka.transacting import Transaction

    id_ = f"{config.name}.{route}.{config.node}.{seat}"
    properties = next(iter(shared_by_transactions(config, route).values())).kafka
    return Transaction(id_, properties, config.routes[route].timeout_s)


def for_transactions(app: App, config: Config, transaction: Transaction, boxes: Boxes) -> Outlets:
    """Where all that a call sends is part of one transaction."""
    from ringmain.kafka.outlets import Outlets
    from ringmain.kafka.transacting import TransactionOutlet

    offers = _offers(app, config, transaction.id)
    return _opened(
        app, Outlets(offers, lambda name, offer: TransactionOutlet(name, offer, boxes, transaction))
    )


def settings_of(config: Config, name: str) -> Producer | None:
    """`[producers.NAME]` or `[routes.NAME.producer]`; None = neither."""
    if name in config.producers:
        return config.producers[name]
    return config.routes[name].producer if name in config.routes else None


def _opened(app: App, outlets: Outlets) -> Outlets:
    for producer in app.producers.values():
        producer.open_by(outlets.open)
    return outlets


def _offers(app: App, config: Config, who: str, patience_s: float = math.inf) -> dict[str, Offer]:
    from ringmain.kafka.producing import Offer

    found = {}
    for name in app.producers:
        settings = settings_of(config, name)
        if settings is None:
            raise AppError(f"producer {name!r} is not in the config; add [producers.{name}]")
        client_id = f"{config.name}.{name}.{config.node}.{who}"
        registry = config.schema_registry if name in config.producers else config.routes[name].schema_registry
        encode = _encode(app, settings, registry)
        found[name] = Offer(client_id, settings.kafka, encode, patience_s)
    return found


def _encode(app: App, settings: Producer, registry: Mapping[str, str]) -> Encode:
    if settings.format == "raw":
        return _only_bytes
    schemas = None
    if registry and settings.format in WITH_SCHEMAS:
        from ringmain.kafka.registry import Registry

        schemas = Registry(registry, ANSWER_S)
    return encoder(settings.format, Sources(app.codecs, schema_text(settings.schema), schemas))


def _only_bytes(value: object, _topic: str) -> bytes:
    raise TypeError(f"format raw sends bytes or None, not {type(value).__name__}")
