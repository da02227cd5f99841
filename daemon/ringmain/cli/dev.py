"""`ringmain dev CONFIG`: run it while you write it."""

from pathlib import Path

import click

from ringmain.cli.arguments import config_argument, examples, set_option
from ringmain.config.load import find


@click.command(epilog=examples("ringmain dev ringmain.toml", "ringmain dev ringmain.toml --port 9092"))
@config_argument
@click.option("--partitions", type=click.IntRange(1, 1000), default=2, show_default=True)
@click.option(
    "--port", type=click.IntRange(1, 65535), help="The broker's on loopback.  [default: a free one]"
)
@set_option
@click.pass_context
def dev(
    context: click.Context, config: str, partitions: int, port: int | None, overrides: tuple[str, ...]
) -> None:
    """Run CONFIG with an embedded broker and a file for its queues; changed code goes into fresh handlers.

    No server and no secret is needed. The broker keeps everything in memory and nothing is left
    at the end. A line "ROUTE VALUE" on standard input is sent to that route's topic.
    """
    path = Path(find(config)).resolve()
    from ringmain.demo.development import Wish, develop

    context.exit(develop(Wish(path, partitions, port, overrides)))
