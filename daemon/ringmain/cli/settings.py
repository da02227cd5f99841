"""`ringmain settings`: the reference, from the schema."""

import click

from ringmain.cli.arguments import json_option, print_json
from ringmain.config.reference import as_markdown, as_table, rows


@click.command()
@json_option
@click.option("--markdown", is_flag=True, help="Print the table that README has.")
def settings(as_json: bool, markdown: bool) -> None:
    """The reference of all keys of a config file."""
    if as_json:
        print_json(rows())
    else:
        click.echo(as_markdown() if markdown else as_table())
