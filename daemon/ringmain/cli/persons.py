"""`ringmain find` and `ringmain forget CONFIG --where …`: one person's messages in all queues of an app.

What a request for information or for deletion needs. `forget` leaves a receipt and says what it did not
reach.
"""

from contextlib import closing
from typing import Any

import click

from ringmain import log
from ringmain.clerk.receipts import NOT_REACHED, Receipts, begun
from ringmain.clerk.receipts import forget as forget_all
from ringmain.cli.arguments import config_argument, examples, json_option, print_json, set_option
from ringmain.cli.deadfilters import chosen, key_option, where_option
from ringmain.cli.deadtext import messages, print_table, shown
from ringmain.cli.operator import operator
from ringmain.config.load import find as find_config
from ringmain.config.load import load_for_queues
from ringmain.config.schema import Config
from ringmain.errors import JobRefused
from ringmain.queues.connect import connect
from ringmain.queues.contract import Found
from ringmain.queues.entry import shown_bytes, shown_value
from ringmain.queues.filters import Filter


@click.command(
    epilog=examples(
        "ringmain find billing --where customer.id=7",
    )
)
@config_argument
@where_option
@key_option
@set_option
@json_option
def find(config: str, overrides: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Messages of one person in every queue: waiting, delayed, overflowed, dead."""
    found = _found(load_for_queues(find_config(config), overrides), _meant(options))
    if as_json:
        print_json([_as_json(one) for one in found])
        return
    if found:
        print_table(["queue", "message", "key", "held"], map(_row, found))
    click.echo(f"{len(found)} in all queues")


@click.command(
    epilog=examples(
        "ringmain forget billing --where customer.id=7",
    )
)
@config_argument
@where_option
@key_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@set_option
@json_option
def forget(config: str, overrides: tuple[str, ...], as_json: bool, yes: bool, **options: Any) -> None:
    """Remove one person's messages from every queue, for good, with a receipt."""
    settings, meant = load_for_queues(find_config(config), overrides), _meant(options)
    if not yes:
        if not (count := len(_found(settings, meant))):
            raise JobRefused(
                "nothing in the queues is of this person; with --yes there is a receipt that says so"
            )
        _ask(count)
    log.configure(settings.log.level, settings.log.format, bound={"role": "clerk", "name": settings.name})
    receipt = begun(settings.name, operator(), meant)
    path = forget_all(connect(settings), receipt, meant, Receipts(settings.state_dir))
    if as_json:
        print_json(receipt)
        return
    for queue, count in sorted(receipt.queues.items()):
        click.echo(f"{queue}: {count}")
    held = f", {receipt.held} of them in the ring of a running daemon as well" if receipt.held else ""
    click.echo(f"forgotten: {receipt.messages}{held}\nreceipt: {path}\n{NOT_REACHED}")


def _meant(options: dict[str, Any]) -> Filter:
    if not options["where"] and options["key"] is None:
        raise click.UsageError("whose? give --where path=value (customer.id=7), or --key")
    return chosen(**options)


def _found(config: Config, meant: Filter) -> list[Found]:
    with closing(connect(config).search()) as search:
        return list(search.find(meant))


def _ask(count: int) -> None:
    try:
        agreed = click.confirm(f"forget {messages(count)} for good?", err=True)
    except click.Abort:
        raise JobRefused(
            f"{messages(count)}: nobody said yes, nothing is forgotten; --yes does not ask"
        ) from None
    if not agreed:
        raise JobRefused("nothing is forgotten")


def _as_json(found: Found) -> dict[str, Any]:
    message = found.envelope
    value, encoding = shown_value(message.value)
    return {
        "queue": found.queue, "id": found.id, "held": found.held, "message_id": message.message_id,
        "topic": message.topic, "partition": message.partition, "offset": message.offset,
        "timestamp_ms": message.timestamp_ms, "key": shown_bytes(message.key), "value": value,
        "value_encoding": encoding,
    }  # fmt: skip


def _row(found: Found) -> list[str]:
    held = "in a ring" if found.held else ""
    return [found.queue, found.envelope.message_id, shown(shown_bytes(found.envelope.key)), held]
