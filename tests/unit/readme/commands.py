"""README's reference of the command line, made from the commands themselves.

test_readme_commands.py compares; `python tests/unit/readme/commands.py` prints what belongs into README.
"""

from collections.abc import Iterator

import click

from ringmain.cli.deadfilters import FILTER_NAMES
from ringmain.cli.root import COMMANDS, root

BEGIN, END = "<!-- commands -->", "<!-- /commands -->"
EVERYWHERE = {"overrides", "as_json"}
"""Said once, above the table."""


def command_table() -> str:
    """The whole section between its markers."""
    rows = [_row(words, command) for words, command in commands()]
    return "\n".join([BEGIN, "| command | what it does |", "|---|---|", *rows, END])


def commands() -> Iterator[tuple[str, click.Command]]:
    """(`dead list`, its command) of every one that does something."""
    for name in COMMANDS:
        command = root.get_command(click.Context(root), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", one) for inner, one in command.commands.items())
        else:
            yield name, command


def _row(words: str, command: click.Command) -> str:
    context = click.Context(command)
    arguments = [one.make_metavar(context) for one in command.params if isinstance(one, click.Argument)]
    options = [one for one in command.params if isinstance(one, click.Option)]
    filtered = "--since" in {word for one in options for word in one.opts}
    said_elsewhere = EVERYWHERE | ({*FILTER_NAMES} if filtered else set())
    own = [one for one in options if one.name not in said_elsewhere]
    filters = ["with [filters](#the-dead-set)"] if filtered else []
    said = (command.help or "").split("\n\n")
    text = " ".join(" ".join(said).split())
    parts = [text, *(_option(one, context) for one in own), *filters]
    return f"| `{' '.join(['ringmain', words, *arguments])}` | {' · '.join(parts)} |"


def _option(option: click.Option, context: click.Context) -> str:
    spelled = option.opts[-1] if option.is_flag else f"{option.opts[-1]} {_value(option, context)}"
    help_text = (option.help or "").rstrip(".").replace("|", "\\|")
    said = spelled.replace("|", "\\|")
    begin = help_text if help_text[:2].isupper() else f"{help_text[:1].lower()}{help_text[1:]}"
    return f"`{said}` {begin}".rstrip()


def _value(option: click.Option, context: click.Context) -> str:
    if option.metavar:
        return option.metavar
    if isinstance(option.type, click.Choice):
        return "|".join(map(str, option.type.choices))
    number = isinstance(option.type, click.types.IntParamType | click.types.FloatParamType)
    return "N" if number else option.make_metavar(context)


if __name__ == "__main__":
    print(command_table())
