"""Every address of the admin: method, path, who may, what it takes and gives. One table for all.

site.py makes Falcon's routes of it, openapi.py the document, README its table. What an address does is in the
module of its kind; here are only the names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ringmain.admin import acts, bodies, views
from ringmain.admin.bodies import FilterBody
from ringmain.admin.deadset import Entries, Summary
from ringmain.admin.works import Bulk, Jobs
from ringmain.clerk.records import Record
from ringmain.control import Done, Node, Request
from ringmain.queues.contract import AXES
from ringmain.queues.entry import Entry
from ringmain.types import Mode

Schema = Mapping[str, Any]
Does = Literal[
    "ping", "live", "ready", "metrics", "openapi", "config", "dead", "summary", "entry", "replay", "delete",
    "jobs", "job", "cancel",
]  # fmt: skip
MOST_LISTED = 1000


@dataclass(frozen=True)
class Query:
    """One parameter of a GET."""

    name: str
    schema: Schema
    says: str = ""


@dataclass(frozen=True)
class Endpoint:
    """One method of one path."""

    method: str
    path: str
    summary: str
    does: Does | None = None
    """What site.py answers by itself; else `view` or `act` says it all."""
    view: Callable[[Node], Any] | None = None
    act: Callable[[Any, dict[str, str]], Request] | None = None
    body: type[bodies.Fields] | None = None
    gives: Mapping[int, Any] = field(default_factory=dict)
    """Status -> type of its JSON, or a media type."""
    query: tuple[Query, ...] = ()
    token: bool = True
    mode: Mode | None = None
    """Only on nodes of this mode."""


_TEXT = {"type": "string", "maxLength": 1000}
_NAME = {"type": "string", "maxLength": 249}
_LIST = {"type": "array", "items": _TEXT}
_PARTITION = {"type": "integer", "minimum": -1, "maximum": (1 << 31) - 1}
_MOMENT = {"type": "string", "pattern": bodies.MOMENT, "maxLength": 64}
FILTER = (
    Query("id", _LIST, "these entries"),
    Query("route", _NAME),
    Query("channel", _NAME, "empty for the route's own"),
    Query("topic", _NAME),
    Query("partition", _PARTITION),
    Query("error", _TEXT, "class, with or without its module"),
    Query("text", _TEXT, "in error, traceback, key, headers or value"),
    Query("key", _TEXT),
    Query(
        "where",
        {"type": "array", "items": {"type": "string", "pattern": r"^[a-z]+(\.[a-z]+)*=.*$"}},
        "PATH=VALUE over the JSON value; all must hold",
    ),
    Query("since", _MOMENT, "ISO 8601, or how long ago (2h)"),
    Query("until", _MOMENT, "ISO 8601, or how long ago (2h)"),
)
_PAGE = (
    Query("limit", {"type": "integer", "minimum": 1, "maximum": MOST_LISTED, "default": 100}),
    Query("cursor", _TEXT, "of the page before"),
    Query("brief", {"type": "boolean", "default": False}, "without values"),
)
_BY = Query(
    "by",
    {"type": "array", "items": {"enum": list(AXES)}, "default": ["route", "error"]},
    "axes of the counts",
)
assert [one.name for one in FILTER] == list(FilterBody.__struct_fields__)


def _look(path: str, summary: str, view: Callable[[Node], Any], kind: Any) -> Endpoint:
    return Endpoint("GET", path, summary, view=view, gives={200: kind})


def _ask(path: str, summary: str, act: Callable[[Any, dict[str, str]], Request], body: Any) -> Endpoint:
    return Endpoint("POST", path, summary, act=act, body=body, gives={200: Done})


def _open(path: str, summary: str, does: Does, gives: Mapping[int, Any]) -> Endpoint:
    return Endpoint("GET", path, summary, does, gives=gives, token=False)


def _dead(method: str, path: str, summary: str, does: Does, **more: Any) -> Endpoint:
    return Endpoint(method, path, summary, does, mode="management-api", **more)


ENDPOINTS: tuple[Endpoint, ...] = (
    _open("/ping", "that this server answers", "ping", {200: dict[str, str]}),
    _open("/health/live", "503 unless the supervisor beats", "live", {200: views.Alive, 503: views.Alive}),
    _open(
        "/health/ready", "503 with the reasons unless the node does its work", "ready",
        {200: views.Ready, 503: views.Ready},
    ),
    _open("/metrics", "for Prometheus", "metrics", {200: "text/plain"}),
    _open("/openapi.json", "this table for programs", "openapi", {200: dict[str, Any]}),
    _look("/api/status", "the node in short", views.status, views.Status),
    _look("/api/picture", "the whole node", views.picture, Node),
    _look("/api/processes", "its processes", views.processes, views.Processes),
    _look("/api/routes", "routes, their channels, what pauses them", views.routes, views.Routes),
    _look(
        "/api/partitions", "position, committed, end, lag, rate, ETA, state; true while idle or paused",
        views.partitions, views.Partitions,
    ),
    _look("/api/rings", "what is in memory", views.rings, views.Rings),
    _look("/api/queues", "depths of the queues", views.queues, views.QueueDepths),
    _look("/api/nodes", "this node and the others of its name", views.nodes, views.Nodes),
    Endpoint("GET", "/api/config", "its config, secrets masked", "config", gives={200: dict[str, Any]}),
    _ask("/api/routes/{route}/pause", "take nothing more, on every node", acts.pause, bodies.PauseBody),
    _ask("/api/routes/{route}/resume", "the end of such a pause", acts.resume, bodies.ResumeBody),
    _ask("/api/routes/{route}/seek", "read a partition on from elsewhere", acts.seek, bodies.SeekBody),
    _ask("/api/routes/{route}/scale", "so many handlers; of a channel: ROUTE.CHANNEL", acts.scale,
         bodies.ScaleBody),
    _ask("/api/processes/{seat}/recycle", "a fresh process; a seat is a title", acts.recycle_one,
         bodies.Fields),
    _ask("/api/recycle", "fresh processes one after another, of a pool or all", acts.recycle,
         bodies.RecycleBody),
    _ask("/api/reload", "config and code; dry_run only says what would change", acts.reload,
         bodies.ReloadBody),
    _ask("/api/quiet", "take nothing new; only a stop follows", acts.quiet, bodies.Fields),
    _ask("/api/stop", "stop gracefully", acts.stop, bodies.StopBody),
    _dead("GET", "/api/dead", "dead messages, oldest first; larger values only with their entry", "dead",
          gives={200: Entries}, query=(*FILTER, *_PAGE)),
    _dead("GET", "/api/dead/summary", "how many, by axes", "summary", gives={200: Summary},
          query=(*FILTER, _BY)),
    _dead("GET", "/api/dead/{id}", "one, in full", "entry", gives={200: Entry}),
    _dead("POST", "/api/dead/replay", "send them through their route once more, or to a topic", "replay",
          gives={200: Bulk, 202: Bulk}, body=bodies.ReplayBody),
    _dead("POST", "/api/dead/delete", "remove them for good", "delete", gives={200: Bulk, 202: Bulk},
          body=bodies.BulkBody),
    _dead("GET", "/api/jobs", "bulk jobs of this node, newest last", "jobs", gives={200: Jobs}),
    _dead("GET", "/api/jobs/{id}", "one job", "job", gives={200: Record}),
    _dead("POST", "/api/jobs/{id}/cancel", "end it after its present batch", "cancel", gives={200: Record},
          body=bodies.Fields),
)  # fmt: skip

ALSO_AT = {"/api/processes/{seat}/recycle": "/api/processes/{seat}/{index}/recycle"}
"""The slash of a title, sent as %2F, comes as one."""
