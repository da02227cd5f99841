"""`ringmain run CONFIG`: the daemon in the foreground."""

import sys

import click

from ringmain.cli.arguments import config_argument, set_option
from ringmain.cli.reading import read_for_use
from ringmain.config.schema import MODES


@click.command()
@config_argument
@click.option(
    "--mode", "modes", multiple=True, type=click.Choice(MODES), help="What this node does; repeatable."
)
@set_option
def run(config: str, modes: tuple[str, ...], overrides: tuple[str, ...]) -> None:
    """Run what CONFIG describes, in the foreground."""
    if modes:
        overrides = (*overrides, f"modes={list(modes)}")
    settings = read_for_use(config, overrides)
    from ringmain.supervise import run as supervise

    sys.exit(supervise(settings))
