"""`ringmain check CONFIG`: everything that is wrong, before anything runs."""

import sys

import click

from ringmain.cli.arguments import config_argument, examples, json_option, print_json, set_option
from ringmain.cli.inspection import inspect_app
from ringmain.cli.reading import read_for_use, read_to_look_at
from ringmain.config.pools import pools
from ringmain.config.render import render
from ringmain.config.schema import Config
from ringmain.errors import ConfigError, RingmainError


@click.command(
    epilog=examples(
        "ringmain check ringmain.toml",
        "ringmain check billing --connect",
        "ringmain check billing --diff",
        "ringmain check ringmain.toml --no-env",
    )
)
@config_argument
@click.option("--no-env", is_flag=True, help="Leave ${…} as it is: where the secrets are not.")
@click.option(
    "--connect", is_flag=True, help="Also ask Kafka and the queues, and say where each partition starts."
)
@click.option("--diff", is_flag=True, help="Also say what a reload would change on the node that runs here.")
@set_option
@json_option
def check(config: str, no_env: bool, overrides: tuple[str, ...], as_json: bool, **also: bool) -> None:
    """Say everything that is wrong with CONFIG and its app."""
    connect, differ = also["connect"], also["diff"]
    if no_env and (connect or differ):
        raise click.UsageError(f"{'--connect' if connect else '--diff'} needs what --no-env leaves out.")
    if connect and differ:
        raise click.UsageError("--connect and --diff: one after the other, please.")
    try:
        settings = (read_to_look_at if no_env else read_for_use)(config, overrides)
        inspect_app(settings)
    except RingmainError as error:
        if not as_json:
            raise
        print_json({"ok": False, "problems": _problems(error)})
        sys.exit(error.exit_code)
    if connect:
        from ringmain.cli.connect import connect_to_all

        sys.exit(connect_to_all(settings, as_json))
    if differ:
        from ringmain.cli.differences import show_differences

        sys.exit(show_differences(settings, overrides, as_json))
    if as_json:
        print_json({"ok": True, "config": render(settings)})
    else:
        click.echo(_fine(settings))


def _fine(config: Config) -> str:
    served = ", ".join(pool.key for pool in pools(config))
    return f"{config.path}: fine; {config.app} fits its routes and channels ({served})"


def _problems(error: RingmainError) -> object:
    if isinstance(error, ConfigError):
        return error.problems
    return [{"where": "", "key": "app", "message": line} for line in str(error).splitlines()]
