"""The table of commands: name, where it is, one line of help.

cli.main enters. A command's module is imported when that command is called, never for the list.
"""

from importlib import import_module
from importlib.util import find_spec

import click

from ringmain.nearest import nearest

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("ringmain.cli.run:run", "Run what CONFIG describes, in the foreground."),
    "check": ("ringmain.cli.check:check", "Say everything that is wrong with CONFIG and its app."),
    "settings": ("ringmain.cli.settings:settings", "The reference of all keys of a config file."),
    "init": ("ringmain.cli.init:init", "A new project: an app, its config, its test."),
    "dev": ("ringmain.cli.dev:dev", "Run it while you write it, with a broker and queues."),
    "demo": ("ringmain.cli.demo:demo", "See it run, with an embedded broker and a sample app."),
    "status": ("ringmain.cli.status:status", "Is a node well, what does it do, what needs a look."),
    "top": ("ringmain.cli.top:top", "What a node does, live."),
    "pause": ("ringmain.cli.act:pause", "Let a route or a partition take nothing more."),
    "resume": ("ringmain.cli.act:resume", "End a pause."),
    "seek": ("ringmain.cli.seek:seek", "Read a partition on from another place."),
    "scale": ("ringmain.cli.act:scale", "So many handler processes for a route or channel."),
    "recycle": ("ringmain.cli.act:recycle", "Fresh processes for old ones, one after another."),
    "reload": ("ringmain.cli.act:reload", "Take in the config file and the code as they are now."),
    "quiet": ("ringmain.cli.act:quiet", "Take nothing new; only a stop follows."),
    "stop": ("ringmain.cli.act:stop", "Stop a node."),
    "dead": ("ringmain.cli.dead:dead", "The dead set: look, replay, delete."),
    "jobs": ("ringmain.cli.jobs:jobs", "Bulk jobs on the dead set of a node."),
    "find": ("ringmain.cli.persons:find", "One person's messages in all queues."),
    "forget": ("ringmain.cli.persons:forget", "Remove one person's messages from all queues."),
}

EPILOG = """CONFIG is a path, an instance name of /etc/ringmain or, for commands that ask a running node,
the URL of its admin (its token in RINGMAIN_TOKEN); RINGMAIN_CONFIG when absent.

\b
Examples:
  ringmain demo
  ringmain check ringmain.toml && ringmain run ringmain.toml
  ringmain status ringmain.toml
  ringmain dead list ringmain.toml --since 2h"""


class Commands(click.Group):
    """A group whose commands are in COMMANDS."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Those that this installation has, in the table's order."""
        return [name for name, (place, _) in COMMANDS.items() if find_spec(place.partition(":")[0])]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The nearest name is told here: click compares with commands that are imported."""
        near = nearest(args[0], self.list_commands(ctx))
        if near and args[0] not in self.list_commands(ctx):
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


def _version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        click.echo(f"ringmain {version('ringmain')}")
    except PackageNotFoundError:
        click.echo("ringmain, from a checkout that is not installed")
    ctx.exit()


@click.group(
    cls=Commands,
    no_args_is_help=False,  # an error of two lines as any other, not the help as one
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version."
)
def root() -> None:
    """Run Python functions over Kafka topics, in many processes."""
