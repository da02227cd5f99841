"""The one source of truth about the config file: every key, its type, its default and its meaning.

The loader, the reference (`ringmain settings`) and README's table are made from these classes. Nothing is
read or checked here. What a struct holds is ready for use: bytes, seconds, absolute paths.
"""

from typing import Annotated

import msgspec

from ringmain.types import (
    Backend,
    Backoff,
    LogExceptions,
    LogFormat,
    LogLevel,
    Membership,
    Mode,
    OnBad,
    OnTombstone,
    Order,
    QueueType,
)

MODES: tuple[Mode, ...] = ("stream-worker", "worker", "api-server", "management-api")
MOST_SEATS = 1000
LONGEST_DELAY_S = 604_800
"""A week: the last step of the ladder (retry.py), and a longer one would silently be cut to it."""


def about(description: str, *, reads: str = "", default: str = "", **limits: float) -> msgspec.Meta:
    """Describe one key; `reads` names its spelling in the file (values.py), `default` says it in words."""
    return msgspec.Meta(description=description, extra={"reads": reads, "default": default, "limits": limits})


def derived(description: str) -> msgspec.Meta:
    """Describe a field that the loader fills in and no file may set."""
    return msgspec.Meta(description=description, extra={"reads": "derived"})


FORMATS = "json, msgpack, protobuf, avro, json-schema, raw, or a codec of the app"


class Table(msgspec.Struct, frozen=True):
    """Base of all tables of the file."""


class Retry(Table, frozen=True, kw_only=True):
    attempts: Annotated[int, about("calls a message gets, the first included", ge=1, le=60_000)] = 12
    backoff: Annotated[Backoff, about("how the delay grows from one attempt to the next")] = "exponential"
    first_s: Annotated[float, about("delay before the second call", ge=0, le=LONGEST_DELAY_S)] = 5.0
    max_s: Annotated[float, about("longest delay", ge=0, le=LONGEST_DELAY_S)] = 3600.0


class Flood(Table, frozen=True, kw_only=True):
    failed_ratio: Annotated[float, about("share of failed calls that pauses the route", gt=0, le=1)] = 0.5
    window_s: Annotated[float, about("time over which calls are counted", gt=0, le=86_400)] = 30.0
    messages: Annotated[int, about("fewest calls in the window to judge by", ge=1, le=1_000_000_000)] = 100
    probe_s: Annotated[float, about("while paused, one message is tried this often", gt=0, le=86_400)] = 30.0


class Overflow(Table, frozen=True, kw_only=True):
    after_s: Annotated[float | None, about("the ring was full this long", gt=0, le=86_400)] = None
    lag: Annotated[int | None, about("the partition is this many messages behind", ge=1)] = None


class Batch(Table, frozen=True, kw_only=True):
    messages: Annotated[int, about("most messages in one call", ge=1, le=1_000_000)] = 500
    wait_s: Annotated[float, about("longest wait for a batch to fill", ge=0, le=3600)] = 0.1
    bytes: Annotated[int, about("most bytes in one call", reads="size", ge=1)] = 4 << 20


class Channel(Table, frozen=True, kw_only=True):
    handlers: Annotated[int, about("handler processes", default="the route's", ge=1, le=MOST_SEATS)] = 1
    concurrency: Annotated[
        int | None, about("calls at once in a process", default="the route's", ge=1, le=100_000)
    ] = None
    timeout_s: Annotated[float, about("longest call", default="the route's", gt=0, le=604_800)] = 30.0
    retry: Annotated[Retry, about("retry policy; keys that are absent are the route's")] = Retry()


class Producer(Table, frozen=True, kw_only=True):
    format: Annotated[str, about(f"how values are encoded: {FORMATS}", reads="format")] = "json"
    schema: Annotated[
        str | None, about("file with the schema of the values, for a format that has one", reads="path")
    ] = None
    kafka: Annotated[dict[str, str], about("librdkafka properties over [kafka]", reads="properties")] = {}


class Route(Table, frozen=True, kw_only=True):
    name: Annotated[str, derived("the route's key in [routes]")]
    topics: Annotated[
        tuple[str, ...], about("topics; one that starts with ^ is a regular expression", reads="topics")
    ]
    kafka: Annotated[
        dict[str, str],
        about(
            "librdkafka properties over [kafka]; auto.offset.reset is earliest unless said",
            reads="properties",
        ),
    ] = {}
    consumers: Annotated[
        int | None,
        about(
            "consumer processes here, or per-partition",
            reads="consumers",
            default='"per-partition"',
            ge=1,
            le=MOST_SEATS,
        ),
    ] = None
    handlers: Annotated[
        int,
        about(
            "handler processes",
            default="cores allowed to this process, shared among routes",
            ge=1,
            le=MOST_SEATS,
        ),
    ] = 1
    concurrency: Annotated[
        int | None,
        about(
            "calls at once in a handler process", default="1; 100 for async def, 4 batches", ge=1, le=100_000
        ),
    ] = None
    timeout_s: Annotated[float, about("longest call", gt=0, le=604_800)] = 30.0
    max_messages: Annotated[
        int | None,
        about("a handler process is replaced after so many, up to 32 more if it is not async", ge=1),
    ] = None
    max_rss_bytes: Annotated[
        int | None, about("a handler process above this size is replaced at once", reads="size", ge=1 << 20)
    ] = None
    order: Annotated[Order, about("which calls may overlap: any, one per key, one per partition")]
    transactional: Annotated[
        bool, about("what calls send and the offset of what they got are one transaction; order partition")
    ] = False
    format: Annotated[str, about(f"how values are decoded: {FORMATS}", reads="format")] = "json"
    key_format: Annotated[
        str | None,
        about(
            "how keys are decoded, for a handler with a parameter `key`: text, integer, or a format",
            reads="format",
            default="text for one word (int, str, a UUID, …), else as values",
        ),
    ] = None
    schema: Annotated[
        str | None,
        about("file with the schema of avro and json-schema", reads="path", default="the writer's"),
    ] = None
    compressed: Annotated[bool, about("values may be compressed, as their header content-encoding says")] = (
        False
    )
    on_bad: Annotated[OnBad, about("where a message goes that cannot be decoded")] = "dead"
    on_tombstone: Annotated[
        OnTombstone, about("where a message without a value goes if the handler does not take it")
    ] = "skip"
    max_crashes: Annotated[
        int, about("handler processes one message may kill before it goes to the dead set", ge=1, le=60)
    ] = 2
    through: Annotated[str | None, about("the channel that takes this route's messages from Kafka")] = None
    retry: Annotated[Retry, about("what happens after a failed call")] = Retry()
    flood: Annotated[Flood | None, about("the circuit breaker; false = off", reads="flood")] = Flood()
    overflow: Annotated[Overflow | None, about("when messages move to the queues; needs order none")] = None
    batch: Annotated[Batch, about("size of the batches of a batch route")] = Batch()
    channels: Annotated[dict[str, Channel], about("channels of the route", reads="names")] = {}
    producer: Annotated[Producer | None, about("a producer of the route's own")] = None
    schema_registry: Annotated[
        dict[str, str], about("Confluent's keys over [schema_registry]", reads="properties")
    ] = {}
    membership: Annotated[Membership, derived("what `membership` and `group.protocol` come to")] = "static"


class Tls(Table, frozen=True, kw_only=True):
    ca: Annotated[str | None, about("certificates to trust", reads="path")] = None
    cert: Annotated[str | None, about("client certificate", reads="path")] = None
    key: Annotated[str | None, about("key of the client certificate", reads="path")] = None


class Queues(Table, frozen=True, kw_only=True):
    backend: Annotated[Backend, about("where retries and the dead set are kept")]
    path: Annotated[
        str, about("file of the sqlite backend", reads="path", default="queues.db in state_dir")
    ] = ""
    url: Annotated[
        tuple[str, ...],
        about("amqp or amqps URL, or a list", reads="urls", default='"amqp://127.0.0.1:5672/%2F"'),
    ] = ("amqp://127.0.0.1:5672/%2F",)
    username: Annotated[str | None, about("RabbitMQ user", default="the URL's")] = None
    password: Annotated[str | None, about("its password", default="the URL's")] = None
    tls: Annotated[Tls | None, about("files for amqps")] = None
    type: Annotated[QueueType, about("kind of RabbitMQ queue")] = "quorum"


class Ring(Table, frozen=True, kw_only=True):
    messages: Annotated[int, about("messages in memory per consumer process", ge=16, le=1 << 20)] = 8192
    bytes: Annotated[
        int,
        about(
            "their bytes; raised to 4x the topic's own message limit",
            reads="size",
            ge=1 << 16,
            le=1 << 40,
        ),
    ] = 16 << 20


class Commit(Table, frozen=True, kw_only=True):
    interval_s: Annotated[float, about("offsets are committed this often", gt=0, le=3600)] = 1.0
    window: Annotated[
        int,
        about(
            "offsets a partition may be ahead of its first unsettled one: the most a crash repeats",
            ge=1,
            le=1_000_000_000,
        ),
    ] = 1_000_000


class Admin(Table, frozen=True, kw_only=True):
    bind: Annotated[str, about("address of the admin server", reads="bind")] = "127.0.0.1:8100"
    token: Annotated[str | None, about("token that may do everything")] = None
    read_token: Annotated[str | None, about("token that may only read")] = None
    advertise: Annotated[str | None, about("URL at which other nodes reach it")] = None


class Http(Table, frozen=True, kw_only=True):
    bind: Annotated[str, about("address of the app's own HTTP server", reads="bind")]
    workers: Annotated[int, about("its processes", ge=1, le=MOST_SEATS)] = 2


class Log(Table, frozen=True, kw_only=True):
    format: Annotated[
        LogFormat | None, about("shape of a line", default='"console" on a terminal, else "json"')
    ] = None
    level: Annotated[LogLevel, about("least severity that is written")] = "info"
    exceptions: Annotated[
        LogExceptions, about("a handler's exception with its traceback, or its class only")
    ] = "full"


class Dead(Table, frozen=True, kw_only=True):
    keep_s: Annotated[float | None, about("age at which dead entries are removed", gt=0)] = None


class Config(Table, frozen=True, kw_only=True):
    app: Annotated[
        str, about("the App, as module:attribute; the config file's folder is importable", reads="app")
    ]
    name: Annotated[str, about("in process titles, queue names, metrics and client ids", reads="name")]
    modes: Annotated[tuple[Mode, ...], about("what this node does", reads="modes", default="all")] = MODES
    node: Annotated[
        str, about("this node's name among those of `name`", reads="node", default="the host's name")
    ] = "localhost"
    membership: Annotated[
        Membership | None,
        about(
            "static: a restart moves no partition; dynamic: a stop gives partitions away at once",
            default='"static"; "dynamic" with group.protocol=consumer',
        ),
    ] = None
    kafka: Annotated[dict[str, str], about("any librdkafka property", reads="properties")] = {}
    queues: Annotated[Queues, about("where retries, the dead set and overflow are kept")]
    routes: Annotated[dict[str, Route], about("the routes, by the names that the app uses", reads="names")]
    ring: Annotated[Ring, about("shared memory")] = Ring()
    commit: Annotated[Commit, about("how offsets are committed")] = Commit()
    revoke_s: Annotated[
        float, about("longest wait for calls when partitions are taken away", ge=0, le=3600)
    ] = 10.0
    stop_s: Annotated[float, about("longest graceful stop", ge=0, le=86_400)] = 25.0
    runtime_dir: Annotated[
        str,
        about(
            "control socket and lock", reads="path", default="$RUNTIME_DIRECTORY, or one per user and name"
        ),
    ] = ""
    state_dir: Annotated[
        str,
        about("what outlives a restart", reads="path", default="$STATE_DIRECTORY, or one per user and name"),
    ] = ""
    admin: Annotated[Admin, about("the admin server")] = Admin()
    http: Annotated[Http | None, about("a server of its own for the app's HTTP routes")] = None
    log: Annotated[Log, about("the log")] = Log()
    dead: Annotated[Dead, about("the dead set")] = Dead()
    producers: Annotated[dict[str, Producer], about("producers, by the names that the app uses")] = {}
    schema_registry: Annotated[dict[str, str], about("Confluent's own keys", reads="properties")] = {}
    path: Annotated[str, derived("the file this was read from; empty if none")] = ""
    folder: Annotated[str, derived("its folder, from which the app is imported")] = ""
