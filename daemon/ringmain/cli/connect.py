"""`ringmain check --connect`: asks Kafka and the queues, and says where each partition would start.

check.py enters with a config that is fine by itself. Everything is asked before anything is said; nothing is
committed or joined, and no queue is made that stays.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

import click
import msgspec

from ringmain.cli.arguments import print_json
from ringmain.config.report import without_userinfo
from ringmain.config.schema import Config, Route
from ringmain.errors import RingmainError
from ringmain.kafka.lookup import Lookup, Start, foreigners
from ringmain.kafka.properties import DEFAULTS, group_protocol
from ringmain.queues.connect import connect

STRATEGY = "partition.assignment.strategy"
ASKED_AT_ONCE = 16
"""Routes: a broker that is away takes seconds to be known as such, for each of them."""


class Beginning(msgspec.Struct, frozen=True):
    """Where a partition of a route would start, and what is remarkable about it."""

    route: str
    topic: str
    partition: int
    start: int | None
    committed: int | None
    begin: int | None
    end: int | None
    remark: str


class Findings(msgspec.Struct):
    """What the servers said; `problems` = why this deployment would not work now."""

    queues: str = ""
    """Which queues could be used; empty when they could not."""
    partitions: list[Beginning] = []
    remarks: list[str] = []
    problems: list[str] = []


def connect_to_all(config: Config, as_json: bool) -> int:
    """Print what was found; 0 = all of it answers and exists."""
    findings = Findings()
    _ask_queues(config, findings)
    # A node that takes the queues alone need not reach the brokers.
    routes = list(config.routes.values()) if "stream-worker" in config.modes else []
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        for found in pool.map(partial(_ask_kafka, config), routes):
            findings.partitions += found.partitions
            findings.remarks += found.remarks
            findings.problems += found.problems
    if as_json:
        print_json({"ok": not findings.problems, **msgspec.structs.asdict(findings)})
    else:
        _print(findings)
    return 1 if findings.problems else 0


def _ask_queues(config: Config, findings: Findings) -> None:
    try:
        connect(config).try_out()
        findings.queues = _named(config)
    except RingmainError as error:
        findings.problems.append(str(error))


def _named(config: Config) -> str:
    if config.queues.backend == "sqlite":
        return f"sqlite, {config.queues.path}"
    return f"rabbitmq, {', '.join(map(without_userinfo, config.queues.url))}"


def _ask_kafka(config: Config, route: Route) -> Findings:
    findings = Findings()
    try:
        with closing(Lookup(route.kafka)) as lookup:
            _look(lookup, config, route, findings)
    except RingmainError as error:
        servers = route.kafka["bootstrap.servers"]
        findings.problems.append(f"route {route.name}: {servers}: {error}")
    return findings


def _look(lookup: Lookup, config: Config, route: Route, findings: Findings) -> None:
    counts = lookup.partition_counts(route.topics)
    findings.problems += [
        f"route {route.name}: topic {topic} does not exist"
        for topic in route.topics
        if topic not in counts and not topic.startswith("^")
    ]
    pairs = [(topic, number) for topic, count in counts.items() for number in range(count)]
    findings.partitions += [beginning(route, start) for start in lookup.starts(pairs)]
    group = lookup.group()
    strangers = foreigners(group.client_ids, config.name, route.name)
    if strangers:
        findings.remarks.append(
            f"route {route.name}: its group {route.kafka['group.id']} has other members: "
            + ", ".join(strangers[:5])
        )
    if group.assignor and group.protocol == "classic" and group.assignor not in strategies(route.kafka):
        findings.problems.append(
            f"route {route.name}: members of its group use the assignor {group.assignor}, "
            f"which is not in {STRATEGY} ({', '.join(strategies(route.kafka))}): end them first, or set "
            f'kafka.{STRATEGY} = "{group.assignor}" as long as they are there'
        )


def strategies(kafka: Mapping[str, str]) -> list[str]:
    """The assignors that this route's consumers would take."""
    if group_protocol(kafka) == "consumer":
        return []
    said = kafka.get(STRATEGY, DEFAULTS[STRATEGY].value)
    return [name.strip() for name in said.split(",")]


def beginning(route: Route, start: Start) -> Beginning:
    """What is committed decides if it is still there, then auto.offset.reset."""
    reset = route.kafka["auto.offset.reset"]
    begins = {"earliest": start.begin, "smallest": start.begin, "beginning": start.begin}
    ends = {"latest": start.end, "largest": start.end, "end": start.end}
    usable = start.committed is not None and not start.expired
    remark = "" if usable else f"nothing committed: {reset}"
    if start.expired:
        remark = f"committed {start.committed} is out of range: {reset}"
    if start.begin is None or start.end is None:
        remark = "its broker does not answer"
    return Beginning(
        route=route.name,
        topic=start.topic,
        partition=start.partition,
        start=start.committed if usable else (begins | ends).get(reset),
        committed=start.committed,
        begin=start.begin,
        end=start.end,
        remark=remark,
    )


def _print(findings: Findings) -> None:
    lines: list[tuple[str, ...]] = [
        ("ROUTE", "TOPIC", "PARTITION", "START", "COMMITTED", "BEGIN", "END", "REMARK")
    ]
    lines += [
        tuple("-" if cell is None else str(cell) for cell in msgspec.structs.astuple(row))
        for row in findings.partitions
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines if findings.partitions else []:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    for remark in findings.remarks:
        click.echo(remark)
    if findings.queues:
        click.echo(f"queues: {findings.queues}: fine")
    for problem in findings.problems:
        click.echo(f"ringmain: {problem}", err=True)
