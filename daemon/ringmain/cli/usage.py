"""What is said of a command line that cannot be understood: two lines, the second helps.

cli.main enters. Where something is missing, that line says what it should be.
"""

import click


def usage(error: click.UsageError) -> str:
    """The error and the way on."""
    where = error.ctx.command_path if error.ctx else "ringmain"
    hint = _hint(error)
    way_on = f"Try '{where} --help'."
    return f"{error.format_message()}\n{hint + '. ' if hint else ''}{way_on}"


def _hint(error: click.UsageError) -> str:
    """How the option or argument is written that has no value."""
    if isinstance(error, click.MissingParameter):
        return _written(error.param, error.ctx)
    if isinstance(error, click.BadOptionUsage) and error.ctx:
        named = [one for one in error.ctx.command.params if error.option_name in one.opts]
        return _written(named[0], error.ctx) if named else ""
    return ""


def _written(parameter: click.Parameter | None, context: click.Context | None) -> str:
    if context is None or parameter is None:
        return ""
    if not isinstance(parameter, click.Option):
        return CONFIG if parameter.name == "config" else ""
    spelled = f"{parameter.opts[-1]} {parameter.make_metavar(context)}"
    meaning = (parameter.help or "").rstrip(".")
    return f"It is {spelled}: {meaning[:1].lower()}{meaning[1:]}" if meaning else f"It is {spelled}"


CONFIG = "It is a path, or an instance name of /etc/ringmain, or RINGMAIN_CONFIG in the environment"
