"""A file becomes one frozen Config, or one ConfigError with everything that is wrong with it.

Everybody who needs a config enters here: `load` for one that can run, `read` for one that is only looked at.
The steps are parse, override, fill, build, complete, check; each reports and none stops the others.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from ringmain.config.build import build
from ringmain.config.check import check
from ringmain.config.complete import complete
from ringmain.config.pending import refuse_pending
from ringmain.config.references import fill
from ringmain.config.report import Report, Source
from ringmain.config.schema import Config
from ringmain.config.tree import join_properties, override, parse
from ringmain.errors import ConfigError, Problem

FOLDER = "/etc/ringmain"


def load(path: str | os.PathLike[str], overrides: Iterable[str] = ()) -> Config:
    """The config in this file with `a.b.c=V` overrides, every reference resolved."""
    return _config(_text(str(path)), str(path), overrides, os.environ)


def load_without_environment(path: str | os.PathLike[str], overrides: Iterable[str] = ()) -> Config:
    """The same with every `${…}` left as it is: to look at a file where its secrets are not."""
    return _config(_text(str(path)), str(path), overrides, None)


def loads(text: str, overrides: Iterable[str] = (), *, folder: str = ".") -> Config:
    """The config in this text, as if it stood in a file of `folder`."""
    return _config(text, os.path.join(folder, "ringmain.toml"), overrides, os.environ)


def from_tree(tree: Mapping[str, Any], *, folder: str = ".") -> Config:
    """The config that these nested dicts describe."""
    report = Report(Source("config", os.path.abspath(folder)))
    return _finished(_copied(tree), (), os.environ, report)


def find(name: str) -> str:
    """The file that CONFIG on a command line means: a path, or an instance of /etc/ringmain."""
    if os.sep in name or name.endswith(".toml") or os.path.exists(name):
        return name
    return os.path.join(FOLDER, f"{name}.toml")


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(f"{path}:{line}", "", "this is not UTF-8 text")]) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError([Problem(path, "", f"cannot be read: {reason}")]) from None


def _config(text: str, path: str, overrides: Iterable[str], environment: Mapping[str, str] | None) -> Config:
    absolute = os.path.abspath(path)
    report = Report(Source(path, os.path.dirname(absolute)))
    tree = parse(text.replace("\r\n", "\n"), report)
    report.close()
    return replace(_finished(tree, overrides, environment, report), path=absolute)


def _finished(
    tree: dict[str, Any], overrides: Iterable[str], environment: Mapping[str, str] | None, report: Report
) -> Config:
    join_properties(tree, report)
    override(tree, overrides, report)
    filled = tree if environment is None else fill(tree, environment, report)
    config = complete(build(filled, report), filled, environment or {})
    check(config, filled, report)
    refuse_pending(filled, report)
    report.close()
    return replace(config, folder=report.source.folder)


def _copied(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {
        str(name): _copied(value)
        if isinstance(value, Mapping)
        else list(value)
        if isinstance(value, tuple)
        else value
        for name, value in tree.items()
    }
