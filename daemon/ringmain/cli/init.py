"""`ringmain init DIR`: a project that runs at once and is tested from its first minute."""

import re
import shlex
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import click

from ringmain.cli.arguments import examples
from ringmain.config.values import name_problem
from ringmain.errors import RingmainError

NAME = "@NAME@"
FILES = {
    "orders.py": "orders.py.in",
    "ringmain.toml": "ringmain.toml.in",
    "test_orders.py": "test_orders.py.in",
    f"systemd/{NAME}.conf": "drop-in.conf.in",
}
"""What a project consists of, and the template of each; NAME stands for the project's own name in both."""

_FALLBACK = "orders"


@click.command(epilog=examples("ringmain init billing", "ringmain init . --name billing"))
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--name", default="", metavar="NAME", help="Of the app in queues, metrics and process titles.")
def init(folder: Path, name: str) -> None:
    """Write an app, its config, its test and a systemd drop-in into DIR; nothing there is overwritten."""
    name = name or _name_of(folder)
    if problem := name_problem(name):
        raise click.UsageError(f"--name {name!r}: {problem}")
    files = {folder / path: text for path, text in _files(name)}
    _write(files)
    click.echo(_said(folder, list(files)))


def _name_of(folder: Path) -> str:
    """The folder's own name, as far as it can be one of an app."""
    name = re.sub(r"[^a-z0-9_-]+", "-", folder.resolve().name.lower()).strip("-")
    return _FALLBACK if not name or name_problem(name) else name


def _files(name: str) -> Iterator[tuple[str, str]]:
    templates = resources.files("ringmain.cli") / "templates"
    for path, template in FILES.items():
        text = (templates / template).read_text(encoding="utf-8")
        yield path.replace(NAME, name), text.replace(NAME, name)


def _write(files: dict[Path, str]) -> None:
    """All or, where one is there already or cannot be written, none."""
    if there := [path for path in files if path.exists() or path.is_symlink()]:
        raise RingmainError(f"{', '.join(map(str, there))}: there already; nothing was written")
    begun: list[Path] = []
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "x", encoding="utf-8") as file:
                begun.append(path)
                file.write(text)
    except OSError as error:
        for written in begun:
            written.unlink(missing_ok=True)
        raise RingmainError(f"{path}: cannot be written: {error.strerror}; nothing was written") from None


def _said(folder: Path, written: list[Path]) -> str:
    change = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    return "\n".join([
        *(f"written  {path}" for path in written),
        f"test it  {change}python -m pytest",
        f"run it   {change}ringmain dev ringmain.toml",
    ])  # fmt: skip
