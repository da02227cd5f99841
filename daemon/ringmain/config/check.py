"""Rules over several keys: what is fine key by key and impossible together.

load.py enters with the complete config and with the tree that tells what the file says itself. Pure: nothing
is opened, resolved or asked. Rules about one key are in values.py.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import combinations
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ringmain.config import transactions
from ringmain.config.producers import producers_of
from ringmain.config.report import Report
from ringmain.config.schema import Config, Retry, Route
from ringmain.nearest import nearest

RABBIT_ONLY = ("url", "username", "password", "tls", "type")
CONSUMER_TIMEOUT_S = 1800.0
WITHOUT_SCHEMA = ("json", "msgpack", "protobuf", "raw")
SENT_WITHOUT_SCHEMA = ("json", "msgpack", "raw")
"""Of protobuf a producer may say the text that it registers."""
MAX_POLL_INTERVAL_MS = "300000"
_LOOPBACK = re.compile(r"(127(\.\d{1,3}){3}|localhost|\[::1\]):\d+")

Tree = Mapping[str, Any]
Objections = Callable[[Mapping[str, str]], Iterable[tuple[str, str]]]
"""What there is against these properties: (property, reason); "" = against the whole."""


class Judge(NamedTuple):
    """Somebody who knows Kafka, which this room does not."""

    consuming: Objections
    producing: Objections


def check(config: Config, tree: Tree, report: Report) -> None:
    """Report every combination that cannot work."""
    _routes(config, report)
    _queues(config, tree, report)
    _admin(config, report)
    _producers(config, report)
    for route in config.routes.values():
        _route(config, route, tree, report)
        _kafka(config, route, report)
    _groups(config, tree, report)


def _routes(config: Config, report: Report) -> None:
    if not config.routes and {"stream-worker", "worker"} & set(config.modes):
        report.clash(["routes"], "there is none: add [routes.NAME] with topics and order")


def _queues(config: Config, tree: Tree, report: Report) -> None:
    queues, said = config.queues, _table(tree, "queues")
    if queues.backend == "sqlite":
        for key in RABBIT_ONLY:
            if key in said:
                report.clash(
                    [f"queues.{key}", "queues.backend"],
                    'belongs to backend = "rabbitmq", and backend is "sqlite"',
                )
        return
    if "path" in said:
        report.clash(
            ["queues.path", "queues.backend"], 'belongs to backend = "sqlite", and backend is "rabbitmq"'
        )
    if queues.tls and any(url.startswith("amqp://") for url in queues.url):
        report.clash(["queues.tls", "queues.url"], "needs amqps:// in queues.url")
    if queues.tls and bool(queues.tls.cert) != bool(queues.tls.key):
        report.clash(["queues.tls"], "cert and key go together")
    if queues.password and not queues.username:
        report.clash(["queues.password", "queues.username"], "needs queues.username")
    if queues.username and any("@" in urlsplit(url).netloc for url in queues.url):
        report.clash(["queues.username", "queues.url"], "is in queues.url as well; say it once")


def _admin(config: Config, report: Report) -> None:
    bind = config.admin.bind
    if not config.admin.token and not is_loopback(bind):
        report.clash(
            ["admin.bind", "admin.token"], f"{bind} is open to others: set admin.token, or bind to 127.0.0.1"
        )
    if config.admin.read_token and config.admin.read_token == config.admin.token:
        report.clash(
            ["admin.read_token", "admin.token"], "is the same as admin.token, which may do everything"
        )
    if config.http is not None and config.http.bind == bind:
        report.clash(["http.bind", "admin.bind"], "is admin.bind: the app's own server needs another port")


def is_loopback(bind: str) -> bool:
    """Whether only this machine reaches it; a name that begins like an address is a name."""
    return _LOOPBACK.fullmatch(bind) is not None


def _producers(config: Config, report: Report) -> None:
    for name in config.producers:
        if name in config.routes and config.routes[name].producer:
            report.clash([f"producers.{name}"], f"routes.{name}.producer has the same name; rename one")
    for path, producer in producers_of(config).items():
        if producer.schema and producer.format in SENT_WITHOUT_SCHEMA:
            report.clash(
                [f"{path}.schema", f"{path}.format"], f"format {producer.format} has no schema: remove it"
            )
        if not producer.kafka.get("bootstrap.servers"):
            key = f"{path}.kafka.bootstrap.servers"
            report.clash([key, "kafka", path], _required("bootstrap.servers", producer.kafka))


def _required(name: str, given: Iterable[str]) -> str:
    """Kafka's own keys are looked at only once the rest is right: a slip in this one is seen here."""
    near = nearest(name, (one for one in given if one != name), 0.8)
    return f"is required, here or as kafka.{name}" + (f"; {near} is none of Kafka's" if near else "")


def _route(config: Config, route: Route, tree: Tree, report: Report) -> None:
    path = f"routes.{route.name}"
    _retry(route.retry, f"{path}.retry", report)
    _call_time(config, route.timeout_s, path, report)
    _format(route, path, report)
    for name, channel in route.channels.items():
        _retry(channel.retry, f"{path}.channels.{name}.retry", report)
        _call_time(config, channel.timeout_s, f"{path}.channels.{name}", report)
    _batch(config, route, tree, report)
    for key in ("overflow", "through"):
        if getattr(route, key) is not None and route.order != "none":
            report.clash(
                [f"{path}.{key}", f"{path}.order"], f'needs order = "none", found order = "{route.order}"'
            )
    if route.transactional:
        transactions.check(config, route, tree, report)
    if route.through is not None:
        _through(route, route.through, path, report)
    if route.overflow and route.overflow.after_s is None and route.overflow.lag is None:
        table = f"{path}.overflow"
        report.clash([table, f"{table}.after_s", f"{table}.lag"], "needs after_s or lag")


def _format(route: Route, path: str, report: Report) -> None:
    if route.schema and route.format in WITHOUT_SCHEMA:
        report.clash([f"{path}.schema", f"{path}.format"], f"format {route.format} has no schema: remove it")
    if route.schema_registry and not route.schema_registry.get("url"):
        report.clash(
            ["schema_registry.url", "schema_registry", f"{path}.schema_registry"],
            "is required: the registry's URL, or several with commas between them",
        )


def _batch(config: Config, route: Route, tree: Tree, report: Report) -> None:
    """What the file says itself: the config does not know which of its routes are batch routes."""
    path = f"routes.{route.name}.batch"
    said = _table(_table(_table(tree, "routes"), route.name), "batch")
    messages, waits_s = route.batch.messages, route.batch.wait_s + route.timeout_s
    room = config.ring.messages - config.ring.messages // 8
    if "messages" in said and messages > room:
        report.clash(
            [f"{path}.messages", "ring.messages"],
            f"{messages} never come together in a ring of {config.ring.messages}, an eighth of it kept: "
            "raise ring.messages",
        )
    if "wait_s" in said and config.queues.backend == "rabbitmq" and waits_s >= CONSUMER_TIMEOUT_S:
        report.clash(
            [f"{path}.wait_s", f"routes.{route.name}.timeout_s", "queues.backend"],
            f"wait_s and timeout_s are {waits_s:g} s together, not below RabbitMQ's consumer_timeout of "
            f"{CONSUMER_TIMEOUT_S:g} s",
        )


def _through(route: Route, channel: str, path: str, report: Report) -> None:
    if route.overflow is not None:
        report.clash(
            [f"{path}.through", f"{path}.overflow"],
            "takes every message to the queues, nothing is left to overflow: keep one of the two",
        )
    if channel in route.channels or "${" in channel:
        return
    near = nearest(channel, route.channels)
    hint = f'did you mean "{near}"?' if near else f"add [{path}.channels.{channel}]"
    report.clash([f"{path}.through", f"{path}.channels"], f'the route has no channel "{channel}": {hint}')


def _retry(retry: Retry, path: str, report: Report) -> None:
    if retry.max_s < retry.first_s:
        report.clash(
            [f"{path}.max_s", f"{path}.first_s"], f"{retry.max_s:g} is less than first_s = {retry.first_s:g}"
        )


def _call_time(config: Config, timeout_s: float, path: str, report: Report) -> None:
    if config.queues.backend == "rabbitmq" and timeout_s >= CONSUMER_TIMEOUT_S:
        report.clash(
            [f"{path}.timeout_s", "queues.backend"],
            f"{timeout_s:g} is not below RabbitMQ's consumer_timeout of {CONSUMER_TIMEOUT_S:g} s",
        )


def judge_properties(config: Config, tree: Tree, judge: Judge, report: Report) -> None:
    """Report what there is against the properties of each route and producer."""
    for route in config.routes.values():
        for name, reason in judge.consuming(route.kafka):
            report.clash([_spelled(route, name, tree)], reason)
    for path, producer in producers_of(config).items():
        own = _inside(tree, [*path.split("."), "kafka"])
        for name, reason in judge.producing(producer.kafka):
            spelled = f"{path}.kafka.{name}".rstrip(".") if name in own or not name else f"kafka.{name}"
            report.clash([spelled], reason)


def _kafka(config: Config, route: Route, report: Report) -> None:
    path = f"routes.{route.name}.kafka"
    for name in ("bootstrap.servers", "group.id"):
        if not route.kafka.get(name) and not (name == "group.id" and len(config.routes) > 1):
            report.clash([f"{path}.{name}", "kafka", path], _required(name, route.kafka))
    interval_ms = route.kafka.get("max.poll.interval.ms", MAX_POLL_INTERVAL_MS)
    if interval_ms.isdecimal() and config.revoke_s * 1000 >= int(interval_ms):
        report.clash(
            ["revoke_s", f"{path}.max.poll.interval.ms"],
            f"{config.revoke_s:g} s is not below max.poll.interval.ms = {interval_ms} of route {route.name}: "
            "the group would evict the consumer that waits",
        )


def _groups(config: Config, tree: Tree, report: Report) -> None:
    if len(config.routes) < 2:
        return
    grouped = []
    for route in config.routes.values():
        path = f"routes.{route.name}.kafka.group.id"
        if _own(route, tree).get("group.id"):
            grouped.append((path, route))
        else:
            report.clash(
                [path, f"routes.{route.name}.kafka"],
                "is required with more than one route: routes in one group would silently share messages",
            )
    for (path, route), (other_path, other) in combinations(grouped, 2):
        if route.kafka["group.id"] == other.kafka["group.id"] and _servers(route) & _servers(other):
            report.clash(
                [other_path, path], f"is that of route {route.name} too: they would silently share messages"
            )


def _servers(route: Route) -> set[str]:
    return {server.strip() for server in route.kafka.get("bootstrap.servers", "").split(",")}


def _own(route: Route, tree: Tree) -> Tree:
    return _table(_table(_table(tree, "routes"), route.name), "kafka")


def _spelled(route: Route, name: str, tree: Tree) -> str:
    if not name:  # the properties as a whole
        return f"routes.{route.name}.kafka"
    return f"routes.{route.name}.kafka.{name}" if name in _own(route, tree) else f"kafka.{name}"


def _inside(tree: Tree, names: Iterable[str]) -> Tree:
    for name in names:
        tree = _table(tree, name)
    return tree


def _table(tree: Tree, name: str) -> Tree:
    value = tree.get(name)
    return value if isinstance(value, Mapping) else {}
