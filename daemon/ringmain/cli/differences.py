"""`ringmain check --diff`: what a reload would change on the node that runs here.

check.py enters with a config that is fine by itself. The node is not asked: it keeps what it runs beside its
socket. Both files are read with the overrides that it was started with.
"""

import contextlib
import socket
from collections.abc import Iterable

import click
import msgspec

from ringmain import control
from ringmain.asking import address
from ringmain.cli.arguments import print_json
from ringmain.cli.reading import read_for_use
from ringmain.config.diff import Change, diff
from ringmain.config.schema import Config
from ringmain.errors import NoAnswer
from ringmain.supervise.running import kept_config


class Difference(msgspec.Struct, frozen=True):
    """One change, as it is printed."""

    key: str
    old: str
    new: str
    effect: str
    restart: bool


def show_differences(config: Config, overrides: Iterable[str], as_json: bool) -> int:
    """Print them; 0 = a reload would do it, 1 = it would be refused. NoAnswer = no such node runs here."""
    _prove_alive(config)
    running, origin = kept_config(config)
    changes = diff(running, read_for_use(config.path, [*origin.overrides, *overrides]))
    refused = any(change.effect.restart for change in changes)
    if as_json:
        print_json({"ok": not refused, "changes": [_difference(change) for change in changes]})
        return int(refused)
    for change in changes:
        click.echo(str(change))
    if not changes:
        click.echo(f"{config.path}: a reload would change nothing")
    elif refused:
        click.echo("ringmain: a reload would be refused: see what needs a restart", err=True)
    return int(refused)


def _difference(change: Change) -> Difference:
    effect = change.effect
    return Difference(change.path, change.old, change.new, str(effect), bool(effect.restart))


def _prove_alive(config: Config) -> None:
    """A killed node leaves its files behind, but nobody listens."""
    path = control.socket_path(config.runtime_dir, config.name, config.node)
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as line:
        try:
            with address(path) as short:
                line.connect(short)
        except OSError as error:
            raise NoAnswer(path, error.strerror or str(error)) from None
