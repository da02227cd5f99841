"""Arguments that several commands share, so that they are the same everywhere.

Commands enter. Nothing is read from a file here.
"""

import sys
from typing import Any

import click
import msgspec

config_argument = click.argument("config", envvar="RINGMAIN_CONFIG", metavar="CONFIG")
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one key of the file; repeatable."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def print_json(value: Any) -> None:
    """One JSON document on stdout: a line to a pipe, indented on a terminal."""
    text = msgspec.json.encode(value)
    on_terminal = sys.stdout.isatty()
    click.echo(msgspec.json.format(text, indent=2) if on_terminal else text)
