"""`ringmain status CONFIG`: one screen that says if a node is well, and if not, why."""

import click
from rich.console import Console

from ringmain.cli.arguments import asking_options, examples, json_option, print_json
from ringmain.cli.client import open_client
from ringmain.cli.panels import ALL, FEW, rows, screen

PIPE_WIDTH = 160


@click.command(epilog=examples(
    "ringmain status billing", "ringmain status http://web-1:8100 --json | jq .ready",
))  # fmt: skip
@asking_options
@click.option("--all", "everything", is_flag=True, help="Also what is well: every partition, process and queue.")
@json_option
def status(config: str, overrides: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Is this node well, what does it do, and what needs a look?"""
    node = open_client(config, overrides).look()
    if as_json:
        print_json(node)
    else:
        console_for_people().print(rows(screen(node, ALL if everything else FEW)))


def console_for_people() -> Console:
    """On a terminal as wide as it is, in a pipe wide enough for whole lines."""
    plain = Console(highlight=False, markup=False, emoji=False)
    if plain.is_terminal:
        return plain
    return Console(highlight=False, markup=False, emoji=False, width=PIPE_WIDTH)
