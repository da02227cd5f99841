"""A file becomes one frozen Config, or one ConfigError with everything that is wrong with it.

Everybody who needs a config enters here: `load` for one that can run, `read` for one that is only looked at.
The steps are parse, override, fill, build, complete, check; each reports and none stops the others.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from msgspec.structs import replace

from ringmain.config.build import build
from ringmain.config.check import Judge, check, judge_properties
from ringmain.config.complete import complete
from ringmain.config.references import fill
from ringmain.config.report import Report, Source
from ringmain.config.schema import Config
from ringmain.config.transactions import with_implied
from ringmain.config.tree import join_properties, override, parse
from ringmain.errors import ConfigError, Problem

FOLDER = "/etc/ringmain"

OF_THE_QUEUES = ("name", "node", "queues", "state_dir", "dead")

OF_WHERE_IT_LISTENS = ("name", "node", "runtime_dir", "state_dir")

Fill = Callable[[dict[str, Any], Report], dict[str, Any]]


def _nothing(_properties: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return ()


NO_JUDGE = Judge(_nothing, _nothing)
"""Nothing against any Kafka property."""


def load(path: str | os.PathLike[str], overrides: Iterable[str] = (), *, judge: Judge = NO_JUDGE) -> Config:
    """The config in this file with `a.b.c=V` overrides, every reference resolved.

    `judge` says what there is against Kafka properties (cli.reading.REFUSALS); it is reported with its lines.
    """
    return _read(str(path), overrides, _fill_all, judge)


def load_for_queues(
    path: str | os.PathLike[str], overrides: Iterable[str] = (), *, also: Iterable[str] = ()
) -> Config:
    """The same where only what the queues need is resolved (and the top-level keys `also`): who looks at dead
    messages does not have the other secrets."""
    return _read(str(path), overrides, partial(_fill_some, (*OF_THE_QUEUES, *also)), NO_JUDGE)


def load_to_ask(
    path: str | os.PathLike[str], overrides: Iterable[str] = (), *, also: Iterable[str] = ()
) -> Config:
    """What tells a node's address: only that is resolved (and the top-level keys `also`), and only that must
    be right. Who asks a running node has not its secrets, and stops it although the file is broken by now.
    """
    needed = (*OF_WHERE_IT_LISTENS, *also)
    report = Report(Source(str(path), os.path.dirname(os.path.abspath(path))))
    tree = parse(_text(str(path)), report)
    report.close()
    override(tree, overrides, report)
    filled = _fill_some(needed, tree, report)
    config = complete(build(filled, report), filled, os.environ)
    report.keep(needed)
    report.close()
    return replace(config, path=os.path.abspath(path))


def load_without_environment(
    path: str | os.PathLike[str], overrides: Iterable[str] = (), *, judge: Judge = NO_JUDGE
) -> Config:
    """The same with every `${…}` left as it is: to look at a file where its secrets are not."""
    return _read(str(path), overrides, _fill_nothing, judge)


def loads(text: str, overrides: Iterable[str] = (), *, folder: str = ".") -> Config:
    """The config in this text, as if it stood in a file of `folder`."""
    report = Report(Source("ringmain.toml", os.path.abspath(folder)))
    return _config(parse(text, report), overrides, _fill_all, NO_JUDGE, report)


def from_tree(tree: Mapping[str, Any], *, folder: str = ".") -> Config:
    """The config that these nested dicts describe."""
    report = Report(Source("config", os.path.abspath(folder)))
    return _config(_copied(tree), (), _fill_all, NO_JUDGE, report)


def load_what_is_set(path: str | os.PathLike[str], overrides: Iterable[str] = ()) -> Config:
    """The config where its secrets are not: what cannot be resolved stays as it is written."""
    return _read(str(path), overrides, _fill_what_is_set, NO_JUDGE)


def tree_for_tests(tree: Mapping[str, Any], *, folder: str = ".") -> Config:
    """The same of nested dicts."""
    report = Report(Source("config", os.path.abspath(folder)))
    return _config(_copied(tree), (), _fill_what_is_set, NO_JUDGE, report)


def find(name: str) -> str:
    """The file that CONFIG on a command line means: a path, or an instance of /etc/ringmain."""
    if "://" in name:
        raise ConfigError([Problem(name, "", "this command reads the file itself: give its path, not a URL")])
    instance = os.path.join(FOLDER, f"{name}.toml")
    plain = os.sep not in name and not name.endswith(".toml")
    if not plain or os.path.isfile(name):
        return name
    if os.path.exists(instance):
        return instance
    if os.path.exists(name):
        return name
    raise ConfigError([Problem(name, "", f"there is no such file, and no {instance}")])


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


def _read(path: str, overrides: Iterable[str], filling: Fill, judge: Judge) -> Config:
    absolute = os.path.abspath(path)
    report = Report(Source(path, os.path.dirname(absolute)))
    tree = parse(_text(path), report)
    return replace(_config(tree, overrides, filling, judge, report), path=absolute)


def _config(
    tree: dict[str, Any], overrides: Iterable[str], filling: Fill, judge: Judge, report: Report
) -> Config:
    report.close()  # a text that is not TOML has no keys to speak of
    join_properties(tree, report)
    override(tree, overrides, report)
    filled = with_implied(filling(tree, report))
    config = complete(build(filled, report), filled, os.environ)
    check(config, filled, report)
    judge_properties(config, filled, judge, report)
    report.close()
    return replace(config, folder=report.source.folder)


def _fill_all(tree: dict[str, Any], report: Report) -> dict[str, Any]:
    filled: dict[str, Any] = fill(tree, os.environ, report)
    return filled


def _fill_nothing(tree: dict[str, Any], _report: Report) -> dict[str, Any]:
    return tree


def _fill_what_is_set(tree: dict[str, Any], report: Report) -> dict[str, Any]:
    return _fill_all(tree, Report(report.source))  # what cannot be resolved is reported to nobody


def _fill_some(names: Iterable[str], tree: dict[str, Any], report: Report) -> dict[str, Any]:
    return tree | _fill_all({name: tree[name] for name in names if name in tree}, report)


def _copied(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {
        str(name): _copied(value)
        if isinstance(value, Mapping)
        else list(value)
        if isinstance(value, tuple)
        else value
        for name, value in tree.items()
    }
