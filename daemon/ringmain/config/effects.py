"""What a reload does when a key has another value: one row for each key of the schema.

diff.py, the reload and README's table enter. A key without a row fails a test, so whoever adds a key decides
who reads it. A reason to restart is shown to the user as it stands here.
"""

from typing import Literal

import msgspec

from ringmain.config.keys import walk

Kind = Literal["handlers", "Kafka feeders", "queue feeders", "courier", "herald", "admin", "http"]
ALL: tuple[Kind, ...] = ("handlers", "Kafka feeders", "queue feeders", "courier", "herald", "admin", "http")

BEGIN, END = "<!-- effects -->", "<!-- /effects -->"


class Effect(msgspec.Struct, frozen=True):
    """Whose processes are replaced, one after another; of one route if the key is a route's."""

    replaces: tuple[Kind, ...] = ()
    restart: str = ""
    """Why it cannot change while the daemon runs; "" = it can."""
    with_channels: bool = False
    """The channels of the route go by it as well."""
    rejoins: bool = False
    """Its Kafka feeders leave the group and join it again, all at once."""
    said: str = ""
    """What happens, where the above does not tell."""

    def __str__(self) -> str:
        if self.restart:
            return f"restart: {self.restart}"
        return self.said or _listed(self.replaces)


def _listed(kinds: tuple[Kind, ...]) -> str:
    if not kinds:
        return "live: nothing is replaced"
    if kinds == ALL:
        return "all processes are replaced"
    both = {"Kafka feeders", "queue feeders"} <= set(kinds)
    named = [
        "feeders" if both and kind == "Kafka feeders" else kind
        for kind in kinds
        if not (both and kind == "queue feeders")
    ]
    last = named.pop()
    who = f"{', '.join(named)} and {last}" if named else last
    return f"{who} {'is' if who in ('courier', 'admin', 'herald', 'http') else 'are'} replaced"


def _replaces(*kinds: Kind, with_channels: bool = False) -> Effect:
    return Effect(kinds, with_channels=with_channels)


LIVE = Effect()
HANDLERS = _replaces("handlers")
CALLS = _replaces("handlers", with_channels=True)
FEEDERS = _replaces("Kafka feeders", "queue feeders")
RETRY = _replaces("handlers", "Kafka feeders", "queue feeders", "courier")
KAFKA = _replaces("Kafka feeders")
ADMIN = _replaces("admin")
HTTP = _replaces("http")
QUEUE_ACCESS = _replaces("queue feeders", "courier", "herald", "admin")
EVERYTHING = Effect(ALL)
POSTS = Effect(said="live: processes are added or retire")
ADDED = Effect(
    ("courier", "herald"), said="added: it gets a ring and processes of its own, the courier is replaced"
)
REMOVED = Effect(
    said="removed: its processes retire, then the courier is replaced; what waits in its queues stays there"
)


def _restart(why: str) -> Effect:
    return Effect(restart=why)


_OTHER_QUEUES = _restart("what waits in the queues now would stay behind")
_RING = _restart("a ring is made once, before its processes")

EFFECTS: dict[str, Effect] = {
    "app": _replaces("handlers", "admin", "http"),
    "name": _restart("queues, lock and the members of the group are named after it"),
    "modes": _restart("it decides which kinds of processes there are"),
    "node": _restart("lock, state and the members of the group are named after it"),
    "membership": _restart("the members of the group would have other names"),
    "kafka": Effect(said="as routes.R.kafka, of every route that does not say otherwise"),
    "queues.backend": _OTHER_QUEUES,
    "queues.path": _OTHER_QUEUES,
    "queues.url": _OTHER_QUEUES,
    "queues.username": QUEUE_ACCESS,
    "queues.password": QUEUE_ACCESS,
    "queues.tls": QUEUE_ACCESS,
    "queues.tls.ca": QUEUE_ACCESS,
    "queues.tls.cert": QUEUE_ACCESS,
    "queues.tls.key": QUEUE_ACCESS,
    "queues.type": _restart("queues that exist keep their kind"),
    "routes.R": Effect(said="added or removed: see below"),
    "routes.R.topics": Effect(
        ("Kafka feeders",), rejoins=True, said="its feeders leave the group and rejoin"
    ),
    "routes.R.kafka": KAFKA,
    "routes.R.consumers": POSTS,
    "routes.R.handlers": POSTS,
    "routes.R.concurrency": HANDLERS,
    "routes.R.timeout_s": HANDLERS,
    "routes.R.max_messages": CALLS,
    "routes.R.max_rss_bytes": CALLS,
    "routes.R.order": _restart("messages lie in the ring in the old order"),
    "routes.R.transactional": _restart("both ways of committing must never be under way at once"),
    "routes.R.format": CALLS,
    "routes.R.key_format": CALLS,
    "routes.R.schema": CALLS,
    "routes.R.compressed": CALLS,
    "routes.R.on_bad": CALLS,
    "routes.R.on_tombstone": CALLS,
    "routes.R.max_crashes": Effect(FEEDERS.replaces, with_channels=True),
    "routes.R.through": _restart("it decides which processes the route has"),
    "routes.R.retry.attempts": RETRY,
    "routes.R.retry.backoff": RETRY,
    "routes.R.retry.first_s": RETRY,
    "routes.R.retry.max_s": RETRY,
    "routes.R.flood": LIVE,
    "routes.R.flood.failed_ratio": LIVE,
    "routes.R.flood.window_s": LIVE,
    "routes.R.flood.messages": LIVE,
    "routes.R.flood.probe_s": LIVE,
    "routes.R.overflow": KAFKA,
    "routes.R.overflow.after_s": KAFKA,
    "routes.R.overflow.lag": KAFKA,
    "routes.R.batch.messages": CALLS,
    "routes.R.batch.wait_s": CALLS,
    "routes.R.batch.bytes": CALLS,
    "routes.R.channels.C": Effect(said="added or removed: see below"),
    "routes.R.channels.C.handlers": POSTS,
    "routes.R.channels.C.concurrency": HANDLERS,
    "routes.R.channels.C.timeout_s": HANDLERS,
    "routes.R.channels.C.retry.attempts": RETRY,
    "routes.R.channels.C.retry.backoff": RETRY,
    "routes.R.channels.C.retry.first_s": RETRY,
    "routes.R.channels.C.retry.max_s": RETRY,
    "routes.R.producer": CALLS,
    "routes.R.producer.format": CALLS,
    "routes.R.producer.schema": CALLS,
    "routes.R.producer.kafka": CALLS,
    "routes.R.schema_registry": CALLS,
    "ring.messages": _RING,
    "ring.bytes": _RING,
    "commit.interval_s": KAFKA,
    "commit.window": KAFKA,
    "revoke_s": KAFKA,
    "stop_s": LIVE,
    "runtime_dir": _restart("lock and control socket are there"),
    "state_dir": _restart("what outlives a restart is there"),
    "admin.bind": ADMIN,
    "admin.token": ADMIN,
    "admin.read_token": ADMIN,
    "admin.advertise": _replaces("herald", "admin"),
    "http": HTTP,
    "http.bind": HTTP,
    "http.workers": HTTP,
    "log.format": EVERYTHING,
    "log.level": EVERYTHING,
    "log.exceptions": EVERYTHING,
    "dead.keep_s": LIVE,
    "producers.P": _replaces("handlers", "admin", "http"),
    "producers.P.format": _replaces("handlers", "admin", "http"),
    "producers.P.schema": _replaces("handlers", "admin", "http"),
    "producers.P.kafka": _replaces("handlers", "admin", "http"),
    "schema_registry": _replaces("handlers", "http"),
}

PROPERTIES: dict[str, Effect] = {
    "bootstrap.servers": _restart("another cluster has other offsets"),
    "group.id": _restart("another group has other offsets"),
    "group.protocol": _restart("the members of a group change it together"),
    "partition.assignment.strategy": _restart("the members of a group change it together"),
}
"""Kafka properties of a route that are not KAFKA."""


def effect_of(pattern: str, name: str = "") -> Effect:
    """Of a key, by its path with R, C or P for a name of the user's; `name` = of that property in it."""
    if pattern == "routes.R.kafka" and name in PROPERTIES:
        return PROPERTIES[name]
    return EFFECTS[pattern]


def as_markdown() -> str:
    """README's table, grouped by what happens."""
    by_effect: dict[str, list[str]] = {}
    for path, key in walk():
        if key.table and path not in EFFECTS:
            continue
        if not key.entries:
            by_effect.setdefault(str(EFFECTS[path]), []).append(path)
    for name, effect in PROPERTIES.items():
        by_effect.setdefault(str(effect), []).append(f"routes.R.kafka.{name}")
    by_effect[str(ADDED)] = by_effect[str(REMOVED)] = ["routes.R", "routes.R.channels.C"]
    rows = [f"| {', '.join(f'`{one}`' for one in paths)} | {effect} |" for effect, paths in by_effect.items()]
    return "\n".join([BEGIN, "| when this changes | then |", "|---|---|", *rows, END])
