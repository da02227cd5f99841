"""`ringmain seek CONFIG ROUTE --partition N --to …`: read a partition on from elsewhere, after a question.

What it means in messages is counted from the node's picture; offsets may have gaps, so each count is an upper
bound and says so.
"""

from typing import Any

import click

from ringmain.cli import figures
from ringmain.cli.act import say
from ringmain.cli.arguments import PARTITIONS, asking_options, examples, json_option
from ringmain.cli.client import open_client
from ringmain.cli.consent import consent
from ringmain.cli.operator import operator
from ringmain.clock import wall_ms
from ringmain.control import Node, Partition, Seek
from ringmain.queues.entry import iso
from ringmain.queues.filters import parse_time_ms

ENDS = ("earliest", "latest")
MOST_OFFSET = (1 << 63) - 1


@click.command(epilog=examples(
    "ringmain seek billing orders --partition 3 --to 120000",
    "ringmain seek billing orders --partition 3 --to 2026-01-31T12:00:00Z",
    "ringmain seek billing orders --partition 3 --to 2h",
))  # fmt: skip
@asking_options
@click.argument("route")
@click.option("--partition", type=click.IntRange(0, PARTITIONS), required=True, metavar="N", help="This one.")
@click.option(
    "--to", required=True, metavar="OFFSET|TIME|earliest|latest",
    help="The next message: its offset; the first since a TIME (ISO 8601, or how long ago: 2h); an end.",
)  # fmt: skip
@click.option("--topic", default="", metavar="TOPIC", help="Of this one of the route's topics.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def seek(config: str, overrides: tuple[str, ...], route: str, as_json: bool, **options: Any) -> None:
    """Read a partition on from another place; its offset is committed there.

    Handling stops for this partition alone, and what is being executed is finished first.
    """
    to = destination(options["to"])
    request = Seek(route, options["partition"], to, options["topic"], operator())
    client = open_client(config, overrides)
    if not options["yes"]:
        consent(question(request, client.look()))
    say(client.act(request), as_json)


def destination(text: str) -> str:
    """As the node reads it: an offset, an end, or an ISO 8601 time."""
    if text in ENDS:
        return text
    if text.isdecimal() and text.isascii() and int(text) <= MOST_OFFSET:
        return str(int(text))
    try:
        return iso(parse_time_ms(text, wall_ms()))
    except ValueError:
        raise click.UsageError(
            f"--to {text!r} is no offset, no time (2026-01-31T12:00:00Z, 2h), neither earliest nor latest"
        ) from None


def question(request: Seek, node: Node) -> str:
    """What it means, and if it is meant."""
    found = [one for one in node.partitions if _is_of(one, request)]
    where = f"{found[0].topic}/{request.partition}" if len(found) == 1 else f"partition {request.partition}"
    meaning = meant(request.to, found[0]) if len(found) == 1 else _unknown(request, node)
    return f"{request.route}: {where} goes on at {request.to}: {meaning}. Seek?"


def meant(to: str, one: Partition) -> str:
    """What is repeated and what is skipped."""
    if one.position < 0 or one.committed < 0:
        return "where it is now is not known yet, so nobody can say what is repeated or skipped"
    if to == "earliest":
        return f"everything that Kafka still has below offset {one.position} is handled once more"
    if to == "latest":
        return _skipped(max(one.end, one.position) - one.committed)
    if not to.isdecimal():
        return (
            f"it is at offset {one.position} now, {figures.many(max(one.lag, 0), 'message')} behind; "
            "what lies between is repeated if the time is before that, skipped if it is after"
        )
    return _between(int(to), one)


def _between(offset: int, one: Partition) -> str:
    if offset >= one.position:
        beyond = "" if offset <= one.end or one.end < 0 else f" (the end is {one.end})"
        return _skipped(offset - one.committed) + beyond
    repeated = (
        f"at most {figures.many(one.position - offset, 'message')} that were taken are handled once more"
    )
    if offset <= one.committed:
        return repeated
    return f"{repeated}, and {_skipped(offset - one.committed)}"


def _skipped(offsets: int) -> str:
    if offsets <= 0:
        return "nothing is repeated, nothing skipped"
    return f"at most {figures.many(offsets, 'message')} are never handled"


def _unknown(request: Seek, node: Node) -> str:
    """It is another node's, or nobody's."""
    for peer in node.peers:
        owned = peer.partitions.get(request.route, [])
        if any(one.rpartition("/")[2] == str(request.partition) for one in owned):
            return f"{peer.node} has it, so what is repeated or skipped is not known here"
    return f"{node.node} does not have it now, so what is repeated or skipped is not known here"


def _is_of(one: Partition, request: Seek) -> bool:
    return (
        one.route == request.route and one.partition == request.partition and request.topic in ("", one.topic)
    )
