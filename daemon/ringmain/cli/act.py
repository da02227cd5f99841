"""`ringmain pause|resume|scale|recycle|reload|quiet|stop CONFIG`: one request to a running node, one sentence
back.

`seek`, which asks back, is seek.py's. What is asked for is the supervisor's to do; nothing is decided here.
"""

from typing import Any

import click

from ringmain.cli.arguments import (
    asking_options,
    examples,
    json_option,
    node_option,
    print_json,
    reason_option,
    where_options,
)
from ringmain.cli.client import Client, open_client
from ringmain.cli.ending import wait_for_its_end
from ringmain.cli.operator import operator
from ringmain.control import Done, Pause, Quiet, Recycle, Reload, Request, Resume, Scale, Stop

MOST_HANDLERS = 1000


@click.command(epilog=examples(
    "ringmain pause billing orders --reason 'the database moves'",
    "ringmain pause billing orders --partition 3",
    "ringmain pause billing orders --source queue --node web-1",
))  # fmt: skip
@asking_options
@click.argument("route", metavar="ROUTE[.CHANNEL]")
@where_options
@node_option
@reason_option
@json_option
def pause(config: str, overrides: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Let a route, or one partition of it, take nothing more; what is begun is finished.

    On every node of this name, over restarts, until `ringmain resume`. No partition changes its owner.
    """
    _act(open_client(config, overrides), Pause(**options, operator=operator()), as_json)


@click.command(
    epilog=examples("ringmain resume billing orders", "ringmain resume billing orders --partition 3")
)
@asking_options
@click.argument("route", metavar="ROUTE[.CHANNEL]")
@where_options
@node_option
@json_option
def resume(config: str, overrides: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """End the pause that was begun with the same route, --partition, --source and --node."""
    _act(open_client(config, overrides), Resume(**options, operator=operator()), as_json)


@click.command(epilog=examples("ringmain scale billing orders 8", "ringmain scale billing orders.review 2"))
@asking_options
@click.argument("pool", metavar="ROUTE[.CHANNEL]")
@click.argument("handlers", metavar="N", type=click.IntRange(0, MOST_HANDLERS))
@json_option
def scale(config: str, overrides: tuple[str, ...], as_json: bool, pool: str, handlers: int) -> None:
    """So many handler processes for a route or a channel on this node, over restarts."""
    _act(open_client(config, overrides), Scale(pool, handlers, operator()), as_json)


@click.command(epilog=examples(
    "ringmain recycle billing", "ringmain recycle billing orders",
    "ringmain recycle billing --process 'handler orders/3'",
))  # fmt: skip
@asking_options
@click.argument("pool", metavar="[ROUTE[.CHANNEL]]", default="")
@click.option("--process", "title", default="", metavar="TITLE", help="This one, as `status --all` names it.")
@json_option
def recycle(config: str, overrides: tuple[str, ...], as_json: bool, pool: str, title: str) -> None:
    """Fresh processes for old ones, one after another; nothing is lost, repeated or rebalanced.

    Of all pools, of one, or one process.
    """
    if pool and title:
        raise click.UsageError("a ROUTE and --process: which of the two?")
    _act(open_client(config, overrides), Recycle(pool, title, operator()), as_json)


@click.command(epilog=examples("ringmain reload billing --dry-run", "ringmain reload billing"))
@asking_options
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@json_option
def reload(config: str, overrides: tuple[str, ...], as_json: bool, dry_run: bool) -> None:
    """Take in the config file and the app's code as they are now, and say what changes.

    A file that is wrong, code that cannot be imported, a change that needs a restart: nothing changes.
    """
    _act(open_client(config, overrides), Reload(dry_run, operator()), as_json)


@click.command(epilog=examples("ringmain quiet billing"))
@asking_options
@json_option
def quiet(config: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Take nothing new on this node; what is begun is finished, and only a stop follows."""
    _act(open_client(config, overrides), Quiet(operator()), as_json)


@click.command(epilog=examples("ringmain stop billing --wait", "ringmain stop billing --now"))
@asking_options
@click.option("--wait", is_flag=True, help="Come back when it has ended.")
@click.option(
    "--now", is_flag=True, help="Finish nothing; what is being executed is repeated at the next start."
)
@json_option
def stop(config: str, overrides: tuple[str, ...], as_json: bool, wait: bool, now: bool) -> None:
    """Stop this node: what is begun is finished, offsets are committed; stop_s at most."""
    client = open_client(config, overrides)
    done = client.act(Stop(now, operator()))
    if wait:
        wait_for_its_end(client)
        done = Done(f"{client.place} has ended")
    say(done, as_json)


def _act(client: Client, request: Request, as_json: bool) -> None:
    say(client.act(request), as_json)


def say(done: Done, as_json: bool) -> None:
    """The answer, for people or machines."""
    if as_json:
        print_json({"text": done.text, "lines": done.lines})
        return
    for line in [done.text, *done.lines]:
        click.echo(line)
