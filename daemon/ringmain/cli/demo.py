"""`ringmain demo`: see it run, with nothing else installed."""

import click

from ringmain.cli.arguments import examples
from ringmain.config.values import url_problem


@click.command(
    epilog=examples(
        "ringmain demo",
        "ringmain demo --messages 20000 --handlers 4",
    )
)
@click.option("--messages", type=click.IntRange(min=1), help="End by itself once so many are settled.")
@click.option("--partitions", type=click.IntRange(1, 1000), default=4, show_default=True)
@click.option("--handlers", type=click.IntRange(1, 1000), default=2, show_default=True)
@click.option(
    "--queues",
    nargs=2,
    type=(click.Choice(["rabbitmq"]), str),
    metavar="rabbitmq URL",
    help="Retries and the dead set in this RabbitMQ, in queues of the demo's own.  [default: a SQLite file]",
)
@click.pass_context
def demo(
    context: click.Context,
    messages: int | None,
    partitions: int,
    handlers: int,
    queues: tuple[str, str] | None,
) -> None:
    """See it run, with an embedded broker and a sample app; the last line is JSON if --messages ends it."""
    url = queues[1] if queues else ""
    if url and (problem := url_problem(url)):
        raise click.UsageError(f"--queues rabbitmq URL: this is no amqp:// or amqps:// URL ({problem})")
    from ringmain.demo import run

    context.exit(run(messages, partitions, handlers, url))
