"""`ringmain dead replay` and `dead delete`: what a bulk job is to do, asked once more, done and watched.

dead.py's group enters. Counting comes before asking and asking before doing; what became dead after the count
is left alone. The job itself is the clerk's.
"""

from collections.abc import Callable
from math import isnan
from typing import Any

import click

from ringmain import log
from ringmain.clerk.acting import acting, with_edit
from ringmain.clerk.job import Task, carry_out, counted
from ringmain.clerk.orders import Order, check
from ringmain.clerk.records import Ledger, Record
from ringmain.cli.arguments import config_argument, examples, json_option, print_json, set_option
from ringmain.cli.deadfilters import (
    Opened,
    chosen,
    filter_options,
    limit_option,
    opened,
    refuse_unknown,
    split,
    without,
)
from ringmain.cli.deadtext import messages
from ringmain.cli.editing import EDITOR, STDIN, edit_of
from ringmain.cli.operator import operator
from ringmain.cli.watching import watching
from ringmain.errors import JobRefused
from ringmain.queues.filters import Filter

_DONE = {"replay": "replayed", "delete": "deleted"}


def _number(_context: click.Context, _option: click.Parameter, value: float | None) -> float | None:
    """NaN is in every range."""
    if value is not None and isnan(value):
        raise click.BadParameter("'nan' is not a number.")
    return value


def job_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What every bulk job takes."""
    options = [
        config_argument,
        filter_options,
        limit_option(None),
        click.option("--all", "everything", is_flag=True, help="Without a filter: all that is dead."),
        click.option(
            "--rate",
            type=click.FloatRange(0, 1e9, min_open=True),
            callback=_number,
            help="At most N messages a second.",
        ),
        click.option("--dry-run", is_flag=True, help="Count them, and do nothing."),
        click.option("--yes", is_flag=True, help="Do not ask."),
        set_option,
        json_option,
    ]
    for option in reversed(options):
        function = option(function)
    return function


@click.command(
    epilog=examples(
        "ringmain dead replay billing --error KeyError --rate 50 --max-failed 10",
        "ringmain dead replay billing --id ID --edit",
    )
)
@job_options
@click.option("--to-topic", metavar="T", help="To this Kafka topic instead of the route.")
@click.option(
    "--edit", is_flag=False, flag_value=EDITOR, metavar="[FILE|-]",
    help="With this value, for exactly one message; without FILE in $VISUAL or $EDITOR.",
)  # fmt: skip
@click.option(
    "--max-failed", type=click.IntRange(min=1), metavar="N",
    help="Stop once N could not be sent or are dead again; give it with --rate.",
)  # fmt: skip
def replay(config: str, overrides: tuple[str, ...], as_json: bool, **options: Any) -> int:
    """Send dead messages through their route once more, as attempt 1.

    What is replayed is outside the order of its key or partition.
    """
    if options["edit"] == STDIN and not options["yes"]:
        raise click.UsageError("--edit - reads the value from stdin and cannot ask there: add --yes")
    if options["to_topic"] == "":
        raise click.UsageError("--to-topic '': which one? Without it messages go through their route")
    return _bulk("replay", config, overrides, as_json, options)


@click.command(
    epilog=examples(
        "ringmain dead delete billing --until 30d --dry-run",
    )
)
@job_options
def delete(config: str, overrides: tuple[str, ...], as_json: bool, **options: Any) -> int:
    """Remove dead messages for good."""
    return _bulk("delete", config, overrides, as_json, options)


def _bulk(
    action: Any, config: str, overrides: tuple[str, ...], as_json: bool, options: dict[str, Any]
) -> int:
    which, how = split(options)
    order = Order(
        action=action, chosen=chosen(**which), who=operator(), topic=how.get("to_topic") or "",
        limit=how["limit"], rate=how["rate"], max_failed=how.get("max_failed"),
    )  # fmt: skip
    _check(order, how["everything"])
    with opened(config, overrides, ("kafka", "routes") if order.topic else ()) as here:
        refuse_unknown(here, order.chosen)
        mark, total = here.dead_set.mark(), counted(here.dead_set, order)
        if how.get("edit") is not None:
            order = _with_edit(order, here, None if how["dry_run"] else how["edit"])
        if order.chosen.ids and not total:
            raise without(order.chosen.ids)
        if how["dry_run"] or not total:
            _say_count(order, total, as_json, "dry-run" if how["dry_run"] else "done")
            return 0
        with acting(order, here.config, here.dead_set) as act:
            _ask(order, total, how["yes"])
            record = _carried_out(Task(order, act, mark, total), here)
    _say_end(record, as_json)
    return 0 if record.state == "done" and not record.failed else 1


def _check(order: Order, everything: bool) -> None:
    try:
        check(order, everything)
    except JobRefused as refused:
        raise click.UsageError(str(refused)) from None


def _with_edit(order: Order, here: Opened, source: str | None) -> Order:
    """With its value from `source`; None = it is only counted, and no editor is opened."""
    return with_edit(order, here.dead_set, lambda dead: None if source is None else edit_of(source, dead))


def _ask(order: Order, total: int, yes: bool) -> None:
    target = f" to topic {order.topic}" if order.topic else ""
    question = f"{order.action} {messages(total)}{target}?"
    if yes:
        return
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        raise JobRefused(f"{messages(total)}: nobody said yes, nothing is done; --yes does not ask") from None
    if not agreed:
        raise JobRefused("nothing is done")


def _carried_out(task: Task, here: Opened) -> Record:
    config = here.config
    log.configure(config.log.level, config.log.format, bound={"role": "clerk", "name": config.name})
    with watching(task.total) as watcher:
        return carry_out(task, here.dead_set, Ledger(config.state_dir), watcher)


def _say_count(order: Order, total: int, as_json: bool, state: str) -> None:
    """Of a dry run, or of a job that found nothing to begin with."""
    if as_json:
        print_json({"action": order.action, "state": state, "total": total})
    else:
        click.echo(
            f"would {order.action} {messages(total)}"
            if total
            else f"nothing is dead{' that passes these filters' if order.chosen != Filter() else ''}"
        )


def _say_end(record: Record, as_json: bool) -> None:
    if as_json:
        print_json(record)
        return
    again = f", {record.dead_again} dead again" if record.dead_again else ""
    failed = f", {record.failed} not" if record.failed else ""
    click.echo(
        f"{_DONE[record.action]} {messages(record.acted)}{failed}{again} (job {record.id}: {record.state})"
    )
    for line in [record.note, *record.failures]:
        if line:
            click.echo(f"ringmain: {line}", err=True)
