"""The properties of ringmain's producers: which are ours and why, what is set unless told otherwise.

check, README and kafka/producing.py enter. Importing this loads no client: only `rejections` asks librdkafka,
and even that makes no client and connects to nothing.
"""

from collections.abc import Mapping

from ringmain.kafka.properties import Default, Properties

DEFAULTS: Mapping[str, Default] = {
    "acks": Default("all", "a message counts as delivered once all in-sync replicas have it"),
    "enable.idempotence": Default("true", "a resend writes no second copy and changes no order"),
    "linger.ms": Default(
        "20",
        "company for a request; a handler that waits for a delivery, or has nothing else to do, does not "
        "wait for this (async handlers and mounted routes: 5)",
    ),
    "topic.metadata.refresh.interval.ms": Default(
        "10000", "a topic that was missing or forbidden is met in seconds"
    ),
    "topic.metadata.propagation.max.ms": Default("10000", "a topic that does not exist is told sooner"),
    "reconnect.backoff.max.ms": Default("2000", "a broker that comes back is met in seconds"),
    "socket.keepalive.enable": Default("true", "a connection that a firewall forgot is noticed"),
    "log.connection.close": Default("false", "brokers close idle connections; that is no trouble"),
}

LINGER_MS = "5"
"""linger.ms where somebody may wait for a delivery beside others' work."""

OWNED: Mapping[str, str] = {
    "transactional.id": "made of name, route, node and seat: see routes.R.transactional",
    "delivery.report.only.error": "a handler's message is settled behind the reports of what it sent",
    "plugin.library.paths": "what became of each message is told by ringmain's own plugin",
    "statistics.interval.ms": "ringmain has metrics of its own",
}

CONSUMERS = (
    *("auto.", "check.crcs", "client.id", "consume.", "coordinator.query.", "enable.auto.", "fetch."),
    *("enable.partition.eof", "group.", "heartbeat.", "isolation.level", "max.partition.fetch.", "max.poll."),
    *("offset.store.", "partition.assignment.", "queued.", "session.timeout.ms", "allow.auto.create.topics"),
)
"""How those begin that a producer has no use for: [kafka] may hold them for the routes."""

_ALIASES = {"request.required.acks": "acks", "queue.buffering.max.ms": "linger.ms"}
_ALL = ("all", "-1")
_PROBE = "ringmain.end.of.properties"


def of_producers(properties: Properties) -> dict[str, str]:
    """The user's own, without those of consumers; an alias by its name."""
    return {
        _ALIASES.get(name, name): value
        for name, value in properties.items()
        if not name.startswith(CONSUMERS)
    }


def producer_properties(client_id: str, properties: Properties, *, rushes: bool = True) -> dict[str, str]:
    """All properties of a producer: ours, then the user's; other acks than all allow no idempotence.

    `rushes`: whoever waits makes it send at once.
    """
    own = of_producers(properties)
    defaults = {name: default.value for name, default in DEFAULTS.items()}
    if not rushes:
        defaults["linger.ms"] = LINGER_MS
    if own.get("acks", "all") not in _ALL:
        defaults["enable.idempotence"] = "false"
    return {**defaults, "client.id": client_id, **own}


def refusals(properties: Properties) -> list[tuple[str, str]]:
    """The user's properties that are not let through, each with the reason."""
    return [(name, why) for name in properties if (why := _reason_against(name))]


def rejections(properties: Properties) -> list[tuple[str, str]]:
    """What librdkafka does not know or take, with its own words; ("", …) = the whole does not go together."""
    own = of_producers(properties)
    said = [(name, word) for name, value in own.items() if (word := _word_on({name: value, _PROBE: ""}))]
    if said:
        return said
    whole = producer_properties("check", {name: one for name, one in own.items() if name not in _SERVERS})
    whole_said = _word_on({**whole, "log_level": "0"})
    return [("", whole_said)] if whole_said else []


_SERVERS = ("bootstrap.servers", "metadata.broker.list")


def _reason_against(name: str) -> str:
    if name.endswith("_cb") or name in ("on_delivery", "logger", "opaque"):
        return "callbacks are ringmain's own, remove it"
    return f"is ringmain's own, remove it: {OWNED[name]}" if name in OWNED else ""


def _word_on(properties: Properties) -> str:
    """librdkafka takes properties in turn: told to fail on a last one of ours, it makes no client."""
    from confluent_kafka import KafkaException, Producer

    try:
        Producer(dict(properties))
    except (KafkaException, ValueError, TypeError) as refused:
        reason = refused.args[0] if refused.args else refused
        text = str(reason.str()) if hasattr(reason, "str") else str(reason)
        return "" if _PROBE in text else text.removeprefix("Failed to create producer: ").strip()
    return ""
