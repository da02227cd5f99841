"""Arguments that several commands share, so that they are the same everywhere.

Commands enter. Nothing is read from a file here.
"""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

Function = TypeVar("Function", bound=Callable[..., Any])

PARTITIONS = (1 << 31) - 1
"""As many as Kafka can have."""

config_argument = click.argument("config", envvar="RINGMAIN_CONFIG", metavar="CONFIG")
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one key of the file; repeatable."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

node_option = click.option(
    "--node", default="", metavar="NODE", help="Only on this node; else on all of this name."
)
reason_option = click.option("--reason", default="", metavar="TEXT", help="Why: shown wherever the pause is.")


def asking_options(function: Function) -> Function:
    """Of every command that asks a running node."""
    return config_argument(set_option(function))


def where_options(function: Function) -> Function:
    """Which part of a route."""
    options = [
        click.option("--topic", default="", metavar="TOPIC", help="Of this one of the route's topics."),
        click.option(
            "--partition", type=click.IntRange(0, PARTITIONS), metavar="N", help="Only this one."
        ),
        click.option(
            "--source", type=click.Choice(["kafka", "queue"]), callback=_or_empty,
            help="Only what comes from there.",
        ),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def _or_empty(_context: click.Context, _option: click.Parameter, value: str | None) -> str:
    return value or ""


def examples(*lines: str) -> str:
    """The end of a command's help."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def print_json(value: Any) -> None:
    """One JSON document on stdout: a line to a pipe, indented on a terminal."""
    text = msgspec.json.encode(value)
    on_terminal = sys.stdout.isatty()
    click.echo(msgspec.json.format(text, indent=2) if on_terminal else text)
