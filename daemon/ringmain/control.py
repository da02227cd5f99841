"""What is asked of a running node over its control socket, and the picture of a node that answers.

The supervisor answers, admin and the command line ask; each packet is one line of JSON. No message of a topic
and no payload ever travels here. Times are seconds; offsets are the next one, as Kafka counts them.
"""

from typing import Literal

import msgspec

MOST_LINE_BYTES = 1 << 20
"""A longer line is refused by whoever reads it."""

Source = Literal["", "kafka", "queue"]
"""Where a pool's messages come from; "" = both."""


class Look(msgspec.Struct, frozen=True, tag="look"):
    """The whole picture, please: answered by a `Node`."""


class Pause(msgspec.Struct, frozen=True, tag="pause"):
    """Take nothing more until `Resume`, over restarts; what is being executed ends as it likes."""

    route: str
    topic: str = ""
    partition: int | None = None
    """One partition of `topic` (of the route's only topic when that is empty); None = all."""
    source: Source = ""
    node: str = ""
    """Only there; "" = on all nodes of this name."""
    operator: str = ""
    reason: str = ""


class Resume(msgspec.Struct, frozen=True, tag="resume"):
    """The end of the pause with the same route, topic, partition, source and node."""

    route: str
    topic: str = ""
    partition: int | None = None
    source: Source = ""
    node: str = ""
    operator: str = ""


class Seek(msgspec.Struct, frozen=True, tag="seek"):
    """Read on from elsewhere; `to` is an offset, "earliest", "latest" or an ISO 8601 time."""

    route: str
    partition: int
    to: str
    topic: str = ""
    operator: str = ""


class Scale(msgspec.Struct, frozen=True, tag="scale"):
    """So many handler processes for a pool (`orders`, `orders.express`), over restarts."""

    pool: str
    handlers: int
    operator: str = ""


class Recycle(msgspec.Struct, frozen=True, tag="recycle"):
    """Fresh processes, one after another: of one title (`handler orders/3`), of one pool, or all."""

    pool: str = ""
    title: str = ""
    operator: str = ""


class Reload(msgspec.Struct, frozen=True, tag="reload"):
    """Config and code, as SIGHUP does; `dry_run` only says what would change."""

    dry_run: bool = False
    operator: str = ""
    code: bool = False
    """All handlers, even if the probe sees no module of the app that has changed: so does SIGHUP."""


class Quiet(msgspec.Struct, frozen=True, tag="quiet"):
    """Take nothing new; only a stop follows."""

    operator: str = ""


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Stop gracefully; a second one, or `now`, at once."""

    now: bool = False
    operator: str = ""


Request = Look | Pause | Resume | Seek | Scale | Recycle | Reload | Quiet | Stop


class Done(msgspec.Struct, frozen=True, tag="done"):
    """It is done, or under way; `text` says what, in one sentence or, for a reload, in lines."""

    text: str
    lines: list[str] = []


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Nothing was done, and why. `unknown`: there is no such route, pool, partition or process here."""

    reason: str
    unknown: bool = False


class Process(msgspec.Struct, frozen=True):
    """One child of the supervisor, or an empty place that one is due in."""

    title: str
    role: str
    pid: int = 0
    """0 = nobody is there now."""
    pool: str = ""
    source: str = ""
    index: int = 0
    state: str = "ok"
    """starting, ok, unreachable, retiring, ending, crash loop, waiting; or the word that the child gave."""
    detail: str = ""
    age_s: float = 0.0
    beat_s: float = 0.0
    """Since its last sign of life."""
    restarts: int = 0
    """Processes that this place has lost since the start, for whatever cause."""
    rss_bytes: int = 0
    executing: int = 0
    calls: int = 0
    partitions: list[str] = []
    """`topic/partition`."""


class Partition(msgspec.Struct, frozen=True):
    """One partition that this node owns. -1 = not known yet."""

    route: str
    topic: str
    partition: int
    owner: str
    """The feeder's title."""
    position: int
    """The next offset to be taken into the ring."""
    committed: int
    end: int
    """The next offset that a producer will get."""
    lag: int
    """Messages not committed: end - committed."""
    lag_s: float
    """Age of the oldest message not taken yet, as far as is known; 0 = none."""
    rate_per_s: float
    eta_s: float | None
    """Until lag is 0 at this pace; None = never."""
    state: str
    """running, paused, standing (nothing moves although there is something), waiting (for room)."""
    ahead: int = 0
    """Offsets between the first unsettled one and the position: what a crash would repeat at most."""
    commit_age_s: float = 0.0
    """Since `committed` moved last, while something that was taken is not committed; 0 = all is."""


class PausedBy(msgspec.Struct, frozen=True):
    """Why something takes nothing."""

    cause: str
    """operator, flood, pause (a handler's), quiet, stop."""
    reason: str = ""
    topic: str = ""
    partition: int | None = None
    source: Source = ""
    operator: str = ""
    since_ms: int = 0
    node: str = ""


class Pool(msgspec.Struct, frozen=True):
    """A route's own pool or a channel's, on this node."""

    key: str
    route: str
    channel: str
    order: str
    handlers: int
    """As configured or scaled."""
    alive: int
    busy: int
    outcomes: dict[str, int]
    """Totals since the start: done, skip, retry, dead, channel."""
    rates_per_s: dict[str, float]
    mean_s: float
    """Of a call, over the last seconds."""
    paused: list[PausedBy] = []


class Client(msgspec.Struct, frozen=True):
    """What a feeder's Kafka client says of itself: totals since it was made, and some seconds old."""

    connections: int = 0
    """To brokers, as many as are up."""
    rtt_s: float = 0.0
    """Round trip to the slowest broker, all but one of a hundred; a fetch waits there for messages."""
    throttled_s: float = 0.0
    """How long the brokers held back an answer, on average, for a quota's sake."""
    waiting: int = 0
    """Requests that are not sent or not answered."""
    requests: int = 0
    retries: int = 0
    timeouts: int = 0
    errors: int = 0
    disconnects: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    fetched_messages: int = 0
    """Fetched, and not yet taken into the ring."""
    fetched_bytes: int = 0
    rebalances: int = 0


class Ring(msgspec.Struct, frozen=True):
    """What one feeder holds in shared memory."""

    pool: str
    feeder: str
    slots: int
    used: int
    used_ratio: float
    """Of slots or of bytes, whichever is fuller."""
    unclaimed: int
    client: Client | None = None
    """None = of the queues, or it has said nothing yet."""


class Queue(msgspec.Struct, frozen=True):
    """One queue of `name`, as it was a few seconds ago."""

    pool: str
    queue: str
    """ready, delay, dead, overflow."""
    messages: int
    oldest_s: float | None = None


class Peer(msgspec.Struct, frozen=True):
    """Another node of this name."""

    node: str
    partitions: dict[str, list[str]] = {}
    """Route -> `topic/partition`."""
    admin: str = ""
    """Its admin page, when it announces one."""
    heard_s: float | None = None
    """Since it was last heard of; None = only Kafka tells of it."""
    state: str = ""
    """here, gone (silent for long), in the group (not heard), has our name (two daemons with one `node`)."""


class Unwell(msgspec.Struct, frozen=True):
    """One reason why the node is not ready, or, with `ready`, something to know although it is."""

    reason: str
    route: str = ""
    subject: str = ""
    """A process's title or `topic/partition`."""
    ready: bool = False


class Node(msgspec.Struct, frozen=True, tag="node"):
    """The picture of one node."""

    name: str
    node: str
    version: str
    pid: int
    modes: list[str]
    started_at_ms: int
    uptime_s: float
    state: str
    """starting, running, quiet, stopping."""
    ready: bool
    reasons: list[Unwell]
    processes: list[Process]
    pools: list[Pool]
    partitions: list[Partition]
    rings: list[Ring]
    queues: list[Queue]
    peers: list[Peer]
    queues_away: str = ""
    """Why the queues are away; "" = they are there."""
    restarts: dict[str, int] = {}
    """`role pool cause` -> how often; the pool is `-` for a role without one."""


Reply = Done | Refused | Node


def socket_path(runtime_dir: str, name: str, node: str) -> str:
    """Where a node listens; mode 0600."""
    return f"{runtime_dir}/{name}.{node}.control"
