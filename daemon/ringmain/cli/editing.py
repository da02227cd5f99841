"""Another value for one dead message: from a file, from stdin, or from the user's editor.

`dead replay --edit` enters. The message stays as it is in the dead set until the changed one is confirmed by
the queues. What was JSON is shown indented and must be JSON again.
"""

import sys
from pathlib import Path

import click
import msgspec

from ringmain.clerk.orders import Edit
from ringmain.errors import JobRefused
from ringmain.queues.contract import Dead
from ringmain.queues.entry import is_json

EDITOR = "\0editor"
STDIN = "-"


def edit_of(source: str, dead: Dead) -> Edit:
    """The value in the place of the message's own; JobRefused when there is none."""
    if source == EDITOR:
        return Edit(_from_editor(dead.envelope.value or b""))
    try:
        given = sys.stdin.buffer.read() if source == STDIN else Path(source).read_bytes()
    except OSError as error:
        raise JobRefused(f"--edit {source}: {error.strerror}") from None
    return Edit(given)


def _from_editor(value: bytes) -> bytes:
    was_json = is_json(value) and bool(value)
    _refuse_bytes(value)
    shown = msgspec.json.format(value, indent=2) if was_json else value
    text = shown
    while True:
        edited = click.edit(text, extension=".json" if was_json else ".txt")
        if edited is None or _without_end(edited, shown) == shown:
            raise JobRefused("nothing was changed, so nothing is replayed: without --edit it goes as it is")
        text = edited
        if not was_json:
            return _without_end(edited, shown)
        if is_json(edited):
            return _as_compact_as(value, edited)
        if not click.confirm("This is no JSON any more. Edit it again?", default=True, err=True):
            raise JobRefused("the changed value is no JSON: nothing is replayed")


def _refuse_bytes(value: bytes) -> None:
    try:
        value.decode()
    except UnicodeDecodeError:
        raise JobRefused("this value is no text: give the changed one with --edit FILE") from None


def _without_end(edited: bytes, shown: bytes) -> bytes:
    """Editors end a file with a line end that the value did not have."""
    return edited.removesuffix(b"\n") if not shown.endswith(b"\n") else edited


def _as_compact_as(value: bytes, edited: bytes) -> bytes:
    """JSON that had no white space gets none."""
    plain = msgspec.json.format(value, indent=-1) == value
    return msgspec.json.format(edited, indent=-1) if plain else edited.removesuffix(b"\n")
