"""What a transactional route implies, and what cannot be together with it.

load.py and check.py enter. A transaction has one client, one cluster, one partition's offsets and no queue:
whatever would need more is refused with that reason. Pure: nothing is opened or asked.
"""

from collections.abc import Mapping
from typing import Any

from ringmain.config.producers import shared_by_transactions
from ringmain.config.report import Report
from ringmain.config.schema import Config, Route

ORDER = "partition"
LONGEST_CALL_S = 880.0
"""A broker's transaction.max.timeout.ms is 15 minutes unless told."""
_QUEUED = "is no part of a transaction of Kafka: what goes to a queue cannot be taken back when it is aborted"


def with_implied(tree: dict[str, Any]) -> dict[str, Any]:
    """The tree in which routes that are transactional and say no order say the one that they have."""
    routes = tree.get("routes")
    if not isinstance(routes, dict):
        return tree
    return tree | {"routes": {name: _implied(route) for name, route in routes.items()}}


def _implied(route: Any) -> Any:
    if isinstance(route, dict) and route.get("transactional") in (True, "true") and "order" not in route:
        return {**route, "order": ORDER}
    return route


def check(config: Config, route: Route, tree: Mapping[str, Any], report: Report) -> None:
    """Report what this transactional route cannot be together with."""
    path = f"routes.{route.name}"
    transactional = f"{path}.transactional"
    if route.order != ORDER:
        report.clash(
            [f"{path}.order", transactional],
            f'a transaction commits one offset of a partition: needs order = "{ORDER}", which it implies, '
            f'found order = "{route.order}"',
        )
    for key in ("overflow", "through"):
        if getattr(route, key) is not None:
            report.clash([f"{path}.{key}", transactional], _QUEUED)
    if route.channels:
        report.clash([f"{path}.channels", transactional], f"a channel {_QUEUED}")
    if route.kafka.get("isolation.level", "read_committed") != "read_committed":
        report.clash(
            [f"{path}.kafka.isolation.level", transactional],
            "needs read_committed: a consumer that reads otherwise is not told which offsets are still open",
        )
    if route.timeout_s > LONGEST_CALL_S:
        report.clash(
            [f"{path}.timeout_s", transactional],
            f"{route.timeout_s:g} s is longer than a broker lets transactions last, {LONGEST_CALL_S:g} s",
        )
    _producers(config, route, report)


def _producers(config: Config, route: Route, report: Report) -> None:
    transactional = f"routes.{route.name}.transactional"
    shared = shared_by_transactions(config, route.name)
    if not shared:
        report.clash([transactional, "producers"], "there is no producer: add [producers.NAME]")
        return
    first, one = next(iter(shared.items()))
    for path, other in shared.items():
        if not _servers(other.kafka) & _servers(route.kafka):
            report.clash(
                [f"{path}.kafka.bootstrap.servers", transactional],
                f"is another cluster than that of route {route.name}: a transaction is of one",
            )
        elif other.kafka != one.kafka:
            report.clash(
                [f"{path}.kafka", f"{first}.kafka", transactional],
                f"has other properties than {first}: one client sends for both in a transaction",
            )
        if other.kafka.get("acks", other.kafka.get("request.required.acks", "all")) not in ("all", "-1"):
            report.clash([f"{path}.kafka.acks", transactional], 'a transaction needs acks = "all"')
        if float(other.kafka.get("transaction.timeout.ms", "inf")) <= route.timeout_s * 1000:
            report.clash(
                [f"{path}.kafka.transaction.timeout.ms", f"routes.{route.name}.timeout_s"],
                f"Kafka would abort the transaction of a call that takes its {route.timeout_s:g} s",
            )
        if other.kafka.get("enable.idempotence", "true") != "true":
            report.clash([f"{path}.kafka.enable.idempotence", transactional], "a transaction needs it")


def _servers(kafka: Mapping[str, str]) -> set[str]:
    return {server.strip() for server in kafka.get("bootstrap.servers", "").split(",")}
