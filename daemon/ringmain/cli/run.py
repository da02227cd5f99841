"""`ringmain run CONFIG`: the daemon in the foreground."""

import sys

import click

from ringmain.cli.arguments import config_argument, examples, set_option
from ringmain.cli.reading import read_for_use
from ringmain.config.schema import MODES, Config
from ringmain.errors import ConfigError, Problem


@click.command(epilog=examples(
    "ringmain run ringmain.toml",
    "ringmain run billing --mode worker --set routes.orders.handlers=8",
))  # fmt: skip
@config_argument
@click.option(
    "--mode", "modes", multiple=True, type=click.Choice(MODES), help="What this node does; repeatable."
)
@set_option
def run(config: str, modes: tuple[str, ...], overrides: tuple[str, ...]) -> None:
    """Run what CONFIG describes, in the foreground."""
    if modes:
        overrides = (*overrides, f"modes={list(modes)}")
    settings = _read(config, overrides, bool(modes))
    from ringmain.supervise import run as supervise

    sys.exit(supervise(settings, overrides=overrides))


def _read(config: str, overrides: tuple[str, ...], has_modes: bool) -> Config:
    """With errors that speak of --mode, where it was given."""
    try:
        return read_for_use(config, overrides)
    except ConfigError as error:
        if not has_modes:
            raise
        raise ConfigError(map(_of_mode, error.problems)) from None


def _of_mode(problem: Problem) -> Problem:
    return Problem("--mode", "", problem.message) if problem.where == "--set modes" else problem
