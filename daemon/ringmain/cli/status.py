"""`ringmain status CONFIG`: one screen that says if a node is well, and if not, why."""

import click
from rich.console import Console

from ringmain.cli.arguments import asking_options, examples, json_option, print_json
from ringmain.cli.client import open_client
from ringmain.cli.panels import ALL, FEW, screen
from ringmain.control import Node

PIPE_WIDTH = 160


@click.command(epilog=examples(
    "ringmain status billing", "ringmain status http://web-1:8100 --json",
))  # fmt: skip
@asking_options
@click.option(
    "--all", "everything", is_flag=True, help="Also what is well: every partition, process and queue."
)
@json_option
def status(config: str, overrides: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Is this node well, what does it do, and what needs a look?"""
    node = open_client(config, overrides).look()
    if as_json:
        print_json(node)
    else:
        print_screen(node, ALL if everything else FEW)


def print_screen(node: Node, few: int) -> None:
    """On a terminal as wide as it is, in a pipe wide enough for whole lines."""
    terminal = Console(highlight=False, markup=False, emoji=False)
    if terminal.is_terminal:
        terminal.print(screen(node, few))
        return
    pipe = Console(highlight=False, markup=False, emoji=False, width=PIPE_WIDTH)
    with pipe.capture() as captured:
        pipe.print(screen(node, few))
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))
