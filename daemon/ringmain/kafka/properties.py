"""The properties of ringmain's consumers: which are ours and why, what we set unless told otherwise.

check, settings, README and the consumers enter. Importing this loads no client: only `rejections` asks
librdkafka, and even that makes no client and connects to nothing.
"""

from collections.abc import Mapping

import msgspec

from ringmain.kafka.figures import EACH_MS
from ringmain.types import Membership

Properties = Mapping[str, str]


class Default(msgspec.Struct, frozen=True):
    """A property that is set unless the user says otherwise; `protocol` = only with that group.protocol."""

    value: str
    why: str
    protocol: str = ""


DEFAULTS: Mapping[str, Default] = {
    "auto.offset.reset": Default(
        "earliest", "what came to a new partition before its first assignment is not skipped"
    ),
    "isolation.level": Default("read_committed", "messages of aborted transactions are not handled"),
    "fetch.queue.backoff.ms": Default("5", "the default of 1000 stalls a reader that has just caught up"),
    "queued.max.messages.kbytes": Default("8192", "prefetch of a partition; the ring holds the rest"),
    "queued.min.messages": Default("24000", "small messages: the same, in messages"),
    "topic.metadata.refresh.interval.ms": Default("10000", "new topics and partitions are met in seconds"),
    "reconnect.backoff.max.ms": Default("2000", "a broker that comes back is met in seconds"),
    "socket.keepalive.enable": Default("true", "a connection that a firewall forgot is noticed"),
    "log.connection.close": Default("false", "brokers close idle connections; that is no trouble"),
    "partition.assignment.strategy": Default(
        "cooperative-sticky", "a rebalance moves only the partitions that must move", "classic"
    ),
    "session.timeout.ms": Default(
        "15000", "how long a stopped static member keeps its partitions", "classic"
    ),
    "heartbeat.interval.ms": Default(
        "1000",
        "a member hears this often that partitions are to move; meanwhile nobody reads them",
        "classic",
    ),
}

OWNED: Mapping[str, str] = {
    "enable.auto.commit": "offsets are committed only behind settled messages",
    "auto.commit.interval.ms": "offsets are committed only behind settled messages: see commit.interval_s",
    "enable.auto.offset.store": "offsets are committed explicitly, the stored ones are not used",
    "offset.store.method": "offsets are kept by the group's coordinator",
    "enable.partition.eof": "the end of a partition tells the position behind aborted and control records",
    "group.instance.id": "made of name, route, node and seat: see membership",
    "client.id": "made of name, route, node and seat; nodes of a group find each other by it",
    "plugin.library.paths": "the messages are read through ringmain's own plugin",
    "statistics.interval.ms": "the client's figures are in /metrics, ten seconds old at most",
    "consume.callback.max.messages": "no callbacks are used for messages",
}

ALWAYS: Properties = {
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "enable.partition.eof": "true",
    "statistics.interval.ms": str(EACH_MS),
}

# What librdkafka refuses itself, but only when a client is made: said here before any is.
FORBIDDEN_BY_CONSUMER_PROTOCOL: Mapping[str, str] = {
    "session.timeout.ms": "the broker's group.consumer.session.timeout.ms decides",
    "heartbeat.interval.ms": "the broker's group.consumer.heartbeat.interval.ms decides",
    "partition.assignment.strategy": "the broker assigns: use group.remote.assignor",
    "group.protocol.type": "there is only one",
}

_CALLBACK_SUFFIX = "_cb"
_CALLBACKS = ("on_commit", "on_delivery", "logger", "opaque")
_PROBE = "ringmain.end.of.properties"


class Member(msgspec.Struct, frozen=True):
    """Who a consumer is in its group."""

    name: str
    route: str
    node: str
    seat: int
    membership: Membership = "static"

    @property
    def id(self) -> str:
        """`{name}.{route}.{node}.{seat}`: its client id, and its instance id when static."""
        return f"{self.name}.{self.route}.{self.node}.{self.seat}"


def group_protocol(properties: Properties) -> str:
    """ "classic" unless the user chose "consumer"."""
    return properties.get("group.protocol", "classic").lower()


def cooperative(properties: Properties) -> bool:
    """Are partitions given and taken one by one (of the complete consumer_properties)?"""
    strategy = properties.get("partition.assignment.strategy", "")
    return group_protocol(properties) == "consumer" or "cooperative" in strategy


def refusals(properties: Properties) -> list[tuple[str, str]]:
    """The user's properties that ringmain does not let through, each with the reason."""
    refused = [(name, why) for name in properties if (why := _reason_against(name))]
    if group_protocol(properties) == "consumer":
        forbidden = FORBIDDEN_BY_CONSUMER_PROTOCOL
        refused += [
            (name, f"not with group.protocol=consumer: {forbidden[name]}")
            for name in properties
            if name in forbidden
        ]
    return refused


def rejections(properties: Properties) -> list[tuple[str, str]]:
    """The properties that librdkafka does not know or whose values it does not take, with its own words."""
    return [(name, said) for name, value in properties.items() if (said := _word_on(name, value))]


def misfits(properties: Properties) -> str:
    """What librdkafka says against the whole (files, combinations), "" = nothing.

    It makes a client without servers, hence threads but no connection: never before a fork.
    """
    from confluent_kafka import Consumer, KafkaException

    offline = {name: value for name, value in properties.items() if name not in _SERVERS}
    try:
        consumer = Consumer({"group.id": "ringmain-check", **offline, "log_level": "0"})
    except (KafkaException, ValueError, TypeError) as refused:
        return _text_of(refused)
    consumer.close()
    return ""


def consumer_properties(member: Member, properties: Properties) -> dict[str, str]:
    """All properties of a member's consumer: ours, then the user's, then what is not negotiable."""
    protocol = group_protocol(properties)
    defaults = {
        name: default.value for name, default in DEFAULTS.items() if default.protocol in ("", protocol)
    }
    identity = {"client.id": member.id}
    if member.membership == "static":
        identity["group.instance.id"] = member.id
    return {**defaults, **properties, **ALWAYS, **identity}


_SERVERS = ("bootstrap.servers", "metadata.broker.list")


def _reason_against(name: str) -> str:
    if name.endswith(_CALLBACK_SUFFIX) or name in _CALLBACKS:
        return "callbacks are ringmain's own, remove it"
    return f"is ringmain's own, remove it: {OWNED[name]}" if name in OWNED else ""


def _word_on(name: str, value: str) -> str:
    """librdkafka takes properties in turn: told to fail on a last one of ours, it makes no client."""
    from confluent_kafka import Consumer, KafkaException

    try:
        Consumer({"group.id": "ringmain-check", name: value, _PROBE: ""})
    except (KafkaException, ValueError, TypeError) as refused:
        said = _text_of(refused)
        return "" if _PROBE in said else said
    return ""


def _text_of(refused: Exception) -> str:
    reason = refused.args[0] if refused.args else refused
    text = str(reason.str()) if hasattr(reason, "str") else str(reason)
    return text.removeprefix("Failed to create consumer: ").strip()
