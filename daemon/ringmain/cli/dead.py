"""`ringmain dead summary|list|show|replay|delete CONFIG`: the dead set, straight in the queues.

No daemon is needed. The looking commands are here and change nothing; what is printed for people has its
control characters escaped: a message must not be able to write to an operator's terminal.
"""

from typing import Any

import click

from ringmain.cli.arguments import config_argument, examples, json_option, print_json, set_option
from ringmain.cli.deadfilters import chosen, filter_options, limit_option, opened, refuse_unknown, without
from ringmain.cli.deadtext import died_at, print_counts, print_entries, print_entry
from ringmain.cli.deadwork import delete, replay
from ringmain.errors import RingmainError
from ringmain.queues.contract import AXES, Count
from ringmain.queues.filters import Filter


@click.group(no_args_is_help=False)
def dead() -> None:
    """Look at the dead set, replay from it, delete from it."""


dead.add_command(replay)
dead.add_command(delete)


@dead.command(
    epilog=examples(
        "ringmain dead summary billing --by error,hour",
    )
)
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
    meant = chosen(**options)
    with opened(config, overrides) as here:
        refuse_unknown(here, meant)
        counts = here.dead_set.summary(meant, axes)
    if as_json:
        print_json([_count(axes, count) for count in counts])
    else:
        print_counts(axes, counts, filtered=meant != Filter())


@dead.command(
    name="list",
    epilog=examples(
        "ringmain dead list billing --route orders --since 2h",
        "ringmain dead list billing --where customer.id=7 --json",
    ),
)
@config_argument
@filter_options
@limit_option(100)
@set_option
@json_option
def list_(config: str, overrides: tuple[str, ...], limit: int, as_json: bool, **options: Any) -> None:
    """Dead messages, the oldest first."""
    meant = chosen(**options)
    with opened(config, overrides) as here:
        refuse_unknown(here, meant)
        page = here.dead_set.page(meant, limit)
    if as_json:
        print_json(page.entries)
    else:
        print_entries(page.entries, has_more=page.cursor is not None)


@dead.command(
    epilog=examples(
        "ringmain dead show billing --id ID",
    )
)
@config_argument
@filter_options
@limit_option(None)
@set_option
@json_option
def show(config: str, overrides: tuple[str, ...], limit: int | None, as_json: bool, **options: Any) -> None:
    """All of a dead message: its history and its value. With --json one document a message.

    Each message that an --id names, or the oldest that passes another filter; --limit shows more of these.
    """
    meant = chosen(**options)
    if meant == Filter():
        raise click.UsageError("which one? `ringmain dead list CONFIG` tells the ids: show it with --id ID")
    with opened(config, overrides) as here:
        refuse_unknown(here, meant)
        page = here.dead_set.page(meant, limit or max(1, len(meant.ids)))
    if not page.entries:
        raise RingmainError("no dead message passes these filters: see `ringmain dead list`")
    for entry in page.entries:
        (print_json if as_json else print_entry)(entry)
    if page.cursor is not None and limit is None:
        click.echo("ringmain: there are more that pass these filters: --limit", err=True)
    if gone := set(meant.ids) - {entry.id for entry in page.entries} if limit is None else set():
        raise without(gone)


def _count(axes: list[str], count: Count) -> dict[str, Any]:
    return {
        **dict(zip(axes, count.group, strict=True)),
        "messages": count.messages,
        "oldest_at": died_at(count.oldest_ms),
        "newest_at": died_at(count.newest_ms),
    }
