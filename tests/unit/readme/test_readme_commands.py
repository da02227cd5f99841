"""README's reference of the command line is the command line's own."""

import re

import commands
import pytest

from support.sources import CHECKOUT

TEXT = (CHECKOUT / "README.md").read_text(encoding="utf-8")


def test_the_reference_of_commands_is_what_they_say_themselves() -> None:
    begin, end = TEXT.index(commands.BEGIN), TEXT.index(commands.END) + len(commands.END)
    assert TEXT[begin:end] == commands.command_table(), "python tests/unit/readme/commands.py"


@pytest.mark.parametrize("name", [name for name, _ in commands.commands()])
def test_a_command_has_a_sentence_and_says_config_the_same_way(name: str) -> None:
    command = dict(commands.commands())[name]
    assert (command.help or "").strip().endswith((".", "?"))
    configs = [one for one in command.params if one.name == "config"]
    assert all(one.envvar == "RINGMAIN_CONFIG" for one in configs)


def test_every_exit_code_of_the_errors_is_in_the_list() -> None:
    from ringmain import errors

    codes = {
        one.exit_code for one in vars(errors).values() if isinstance(one, type) and hasattr(one, "exit_code")
    }
    [listed] = re.findall(r"^\*\*Exit codes\.\*\* (.*?)\n\n", TEXT, re.DOTALL | re.MULTILINE)
    assert codes <= {int(code) for code in re.findall(r"\b(\d) ", listed)}
