"""What is said of a command line that cannot be understood: two lines, the second helps.

cli.main enters. Where something is missing, that line says what it should be.
"""

import sys

import click

from ringmain.cli.root import root


def usage(error: click.UsageError) -> str:
    """The error and the way on."""
    context = error.ctx or _called(sys.argv[1:])
    hint = _hint(error, context)
    way_on = f"Try '{context.command_path} --help'."
    return f"{error.format_message()}\n{hint + '. ' if hint else ''}{way_on}"


def _called(words: list[str]) -> click.Context:
    """The command that these words name: click's parser does not tell whose option it could not read."""
    context = click.Context(root, info_name="ringmain")
    for word in words:
        found = (
            context.command.get_command(context, word) if isinstance(context.command, click.Group) else None
        )
        context = click.Context(found, info_name=word, parent=context) if found else context
    return context


def _hint(error: click.UsageError, context: click.Context) -> str:
    """How the option or argument is written that has no value."""
    if isinstance(error, click.MissingParameter) and error.param:
        return _written(error.param, context)
    if isinstance(error, click.BadOptionUsage):
        named = [one for one in context.command.params if error.option_name in one.opts]
        return _written(named[0], context) if named else ""
    return ""


def _written(parameter: click.Parameter, context: click.Context) -> str:
    if not isinstance(parameter, click.Option):
        return CONFIG if parameter.name == "config" else ""
    spelled = f"{parameter.opts[-1]} {parameter.make_metavar(context)}"
    meaning = (parameter.help or "").rstrip(".")
    return f"It is {spelled}: {meaning[:1].lower()}{meaning[1:]}" if meaning else f"It is {spelled}"


CONFIG = "It is a path, or an instance name of /etc/ringmain, or RINGMAIN_CONFIG in the environment"
