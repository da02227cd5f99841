"""Which dead messages a command means: the options that all of them share, and what is said of a slip in one.

The commands on the dead set enter. A route or channel that neither the config nor the dead set knows is an
error that names the nearest: silence would look like "nothing is dead".
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple, TypeVar

import click

from ringmain.clerk.acting import stranger
from ringmain.clock import wall_ms
from ringmain.config.load import find, load_for_queues
from ringmain.config.schema import Config
from ringmain.errors import RingmainError
from ringmain.queues import filters
from ringmain.queues.connect import connect
from ringmain.queues.contract import DeadSet
from ringmain.queues.filters import Filter

Function = TypeVar("Function", bound=Callable[..., Any])

where_option = click.option(
    "--where", multiple=True, metavar="PATH=VALUE", help="VALUE is at a.b.0 of the JSON value; all must."
)
key_option = click.option("--key", metavar="K", help="Has this key.")

MESSAGES = 1_000_000_000
PARTITIONS = (1 << 31) - 1
"""As many as Kafka can have; what is not Kafka's has -1."""

FILTER_OPTIONS = [
    click.option("--id", "ids", multiple=True, help="This entry; repeatable."),
    click.option("--route", help="Of this route."),
    click.option("--channel", help="Of this channel; '' for the route's own."),
    click.option("--topic", help="From this topic."),
    click.option("--partition", type=click.IntRange(-1, PARTITIONS), help="From this partition."),
    click.option("--error", metavar="CLASS", help="Failed with this class, with or without its module."),
    click.option("--text", metavar="T", help="Has T in its error, traceback, key, headers or value."),
    key_option,
    where_option,
    click.option("--since", metavar="TIME", help="Dead since: ISO 8601, or how long ago (2h)."),
    click.option("--until", metavar="TIME", help="Dead before: ISO 8601, or how long ago (2h)."),
]
FILTER_NAMES = (
    "ids",
    "route",
    "channel",
    "topic",
    "partition",
    "error",
    "text",
    "key",
    "where",
    "since",
    "until",
)


class Opened(NamedTuple):
    """A config and the dead set that it leads to."""

    config: Config
    dead_set: DeadSet


def filter_options(function: Function) -> Function:
    """The filters of every command on the dead set; the command gets them as keywords for `chosen`."""
    for option in reversed(FILTER_OPTIONS):
        function = option(function)
    return function


def limit_option(default: int | None) -> Callable[[Function], Function]:
    """`--limit N`."""
    return click.option(
        "--limit",
        type=click.IntRange(1, MESSAGES),
        default=default,
        show_default=default is not None,
        help="At most so many.",
    )


def split(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The filters of a command's options, and the rest."""
    chosen_ones = {name: value for name, value in options.items() if name in FILTER_NAMES}
    return chosen_ones, {name: value for name, value in options.items() if name not in FILTER_NAMES}


def chosen(
    *,
    where: tuple[str, ...] = (),
    since: str | None = None,
    until: str | None = None,
    key: str | None = None,
    **equal: Any,
) -> Filter:
    """The filter that the options describe; a usage error for what cannot be read."""
    now_ms = wall_ms()
    try:
        return Filter(
            where=tuple(map(filters.parse_where, where)),
            since_ms=None if since is None else filters.parse_time_ms(since, now_ms),
            until_ms=None if until is None else filters.parse_time_ms(until, now_ms),
            key=None if key is None else key.encode(errors="surrogateescape"),
            **equal,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None


@contextmanager
def opened(name: str, overrides: Iterable[str], also: Iterable[str] = ()) -> Iterator[Opened]:
    """The dead set of CONFIG; what the other tables need of the environment may be unset."""
    config = load_for_queues(find(name), overrides, also=also)
    with closing(connect(config).dead_set()) as dead_set:
        if missing := dead_set.missing():
            click.echo(f"ringmain: {missing}", err=True)
        yield Opened(config, dead_set)


def without(ids: Iterable[str]) -> RingmainError:
    """What to raise where none of these is to be found."""
    return RingmainError(f"no dead message with the id {', '.join(sorted(ids))} passes these filters")


def refuse_unknown(known: Opened, chosen: Filter) -> None:
    """A usage error for a route or channel that is nowhere."""
    if said := stranger(known.config, known.dead_set, chosen):
        raise click.UsageError(f"--{said}")
