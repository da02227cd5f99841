"""`ringmain dead summary|list|show CONFIG`: a look at the dead set, straight in the queues.

No daemon is needed, and nothing is changed. What is printed for people has its control characters escaped: a
message must not be able to write to an operator's terminal.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import click

from ringmain.cli.arguments import config_argument, json_option, print_json, set_option
from ringmain.cli.deadtext import print_counts, print_entries, print_entry
from ringmain.clock import wall_ms
from ringmain.config.load import find, load
from ringmain.errors import RingmainError
from ringmain.queues import filters
from ringmain.queues.connect import connect
from ringmain.queues.contract import AXES, Count, DeadSet
from ringmain.queues.entry import iso
from ringmain.queues.filters import Filter

Function = TypeVar("Function", bound=Callable[..., Any])

FILTER_OPTIONS = [
    click.option("--id", "ids", multiple=True, help="This entry; repeatable."),
    click.option("--route", help="Of this route."),
    click.option("--channel", help="Of this channel; '' for the route's own."),
    click.option("--topic", help="From this topic."),
    click.option("--partition", type=int, help="From this partition."),
    click.option("--error", metavar="CLASS", help="Failed with this class, with or without its module."),
    click.option("--text", metavar="T", help="Has T in its error, traceback, key, headers or value."),
    click.option("--key", metavar="K", help="Has this key."),
    click.option(
        "--where", multiple=True, metavar="PATH=VALUE", help="VALUE is at a.b.0 of the JSON value; all must."
    ),
    click.option("--since", metavar="TIME", help="Dead since: ISO 8601, or how long ago (2h)."),
    click.option("--until", metavar="TIME", help="Dead before: ISO 8601, or how long ago (2h)."),
]


def filter_options(function: Function) -> Function:
    """The filters of every command on the dead set; the command gets them as keywords for `chosen`."""
    for option in reversed(FILTER_OPTIONS):
        function = option(function)
    return function


def limit_option(default: int) -> Callable[[Function], Function]:
    """`--limit N`."""
    return click.option(
        "--limit", type=click.IntRange(min=1), default=default, show_default=True, help="At most so many."
    )


def chosen(
    *, where: tuple[str, ...], since: str | None, until: str | None, key: str | None, **equal: Any
) -> Filter:
    """The filter that the options describe; a usage error for what cannot be read."""
    now_ms = wall_ms()
    try:
        return Filter(
            where=tuple(map(filters.parse_where, where)),
            since_ms=None if since is None else filters.parse_time_ms(since, now_ms),
            until_ms=None if until is None else filters.parse_time_ms(until, now_ms),
            key=None if key is None else key.encode(errors="surrogateescape"),
            **equal,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None


@click.group(no_args_is_help=False)
def dead() -> None:
    """Look at the dead set."""


@dead.command()
@config_argument
@filter_options
@click.option("--by", default="route,error", show_default=True, help=f"Axes of {', '.join(AXES)}.")
@set_option
@json_option
def summary(config: str, overrides: tuple[str, ...], by: str, as_json: bool, **options: Any) -> None:
    """How many messages are dead, by route, error, …."""
    axes = [axis.strip() for axis in by.split(",") if axis.strip()]
    if unknown := [axis for axis in axes if axis not in AXES]:
        raise click.UsageError(f"--by {unknown[0]!r}: the axes are {', '.join(AXES)}")
    with _opened(config, overrides) as dead_set:
        counts = dead_set.summary(chosen(**options), axes)
    if as_json:
        print_json([_count(axes, count) for count in counts])
    else:
        print_counts(axes, counts)


@dead.command(name="list")
@config_argument
@filter_options
@limit_option(100)
@set_option
@json_option
def list_(config: str, overrides: tuple[str, ...], limit: int, as_json: bool, **options: Any) -> None:
    """Dead messages, the oldest first."""
    with _opened(config, overrides) as dead_set:
        page = dead_set.page(chosen(**options), limit)
    if as_json:
        print_json(page.entries)
    else:
        print_entries(page.entries, has_more=page.cursor is not None)


@dead.command()
@config_argument
@filter_options
@limit_option(1)
@set_option
@json_option
def show(config: str, overrides: tuple[str, ...], limit: int, as_json: bool, **options: Any) -> None:
    """All of a dead message: its history and its value. With --json one document a message."""
    with _opened(config, overrides) as dead_set:
        entries = dead_set.page(chosen(**options), limit).entries
    if not entries:
        raise RingmainError("no dead message passes these filters: see `ringmain dead list`")
    for entry in entries:
        (print_json if as_json else print_entry)(entry)


@contextmanager
def _opened(config: str, overrides: tuple[str, ...]) -> Iterator[DeadSet]:
    with closing(connect(load(find(config), overrides)).dead_set()) as dead_set:
        yield dead_set


def _count(axes: list[str], count: Count) -> dict[str, Any]:
    return {
        **dict(zip(axes, count.group, strict=True)),
        "messages": count.messages,
        "oldest_at": iso(count.oldest_ms),
        "newest_at": iso(count.newest_ms),
    }
