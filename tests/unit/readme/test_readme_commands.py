"""README's reference of the command line is the command line's own."""

import re
import shlex

import commands
import pytest
from test_readme import parse

from ringmain.cli.root import root
from support.sources import CHECKOUT, PACKAGE

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


@pytest.mark.parametrize("name", [name for name, _ in commands.commands() if name != "settings"])
def test_the_help_of_a_command_shows_examples_that_it_takes(name: str) -> None:
    lines = [line.strip() for line in (dict(commands.commands())[name].epilog or "").splitlines()]
    shown = [line for line in lines if line.startswith("ringmain")]
    assert shown
    for line in shown:
        assert line.startswith(f"ringmain {name}")
        parse(root, shlex.split(line)[1:])


def test_every_exit_code_of_the_errors_is_in_the_list() -> None:
    from ringmain import errors

    codes = {
        one.exit_code for one in vars(errors).values() if isinstance(one, type) and hasattr(one, "exit_code")
    }
    [listed] = re.findall(r"^\*\*Exit codes\.\*\* (.*?)\n\n", TEXT, re.DOTALL | re.MULTILINE)
    assert codes <= {int(code) for code in re.findall(r"\b(\d) ", listed)}


def test_the_words_and_commands_of_the_runbook_are_the_daemons_own() -> None:
    chapter = TEXT[TEXT.index("\n## Runbook\n") :].partition("\n## ")[2].partition("\n## ")[0]
    rows = [line for line in chapter.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 10
    spoken = (PACKAGE / "supervise" / "wellness.py").read_text() + (PACKAGE / "errors.py").read_text()
    for reason in re.findall(r'^\| "([^"…]+)', "\n".join(rows), re.MULTILINE):
        assert reason.removeprefix("paused").strip() in spoken, reason
    called = [shlex.split(span)[1:] for span in re.findall(r"`(ringmain [^`]*CONFIG[^`]*)`", chapter)]
    assert len(called) >= 15
    for words in called:
        parse(root, ["3" if word == "N" else word for word in words])
