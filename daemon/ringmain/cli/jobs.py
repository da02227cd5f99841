"""`ringmain jobs CONFIG`: the bulk jobs on the dead set that ran on a node, and the end of one.

Of this machine they are read from `state_dir`, and no daemon and no queue is asked; of a URL its admin is.
"""

from typing import Protocol

import click

from ringmain.clerk.records import Ledger, Record
from ringmain.cli.arguments import asking_options, examples, json_option, print_json
from ringmain.cli.client import open_client
from ringmain.cli.deadtext import print_table
from ringmain.cli.remote import is_url
from ringmain.config.load import find, load_for_queues


class Book(Protocol):
    """Where the jobs of a node are known: its ledger here, or its admin."""

    def all(self) -> list[Record]:
        """Every record, the newest last."""

    def cancel(self, job_id: str) -> Record:
        """Ask a running job for its end."""


@click.command(epilog=examples(
    "ringmain jobs billing", "ringmain jobs http://web-1:8100 --cancel 20260131T120000-a1b2c3",
))  # fmt: skip
@asking_options
@click.option("--cancel", metavar="ID", help="End this job after its present batch.")
@json_option
def jobs(config: str, overrides: tuple[str, ...], cancel: str | None, as_json: bool) -> None:
    """Bulk jobs of a node, the newest last."""
    book = _book(config, overrides)
    if cancel is not None:
        record = book.cancel(cancel)
        if as_json:
            print_json(record)
        else:
            click.echo(f"job {record.id} ends after its present batch")
        return
    records = book.all()
    if as_json:
        print_json(records)
    elif not records:
        click.echo("no job was run on this node")
    else:
        print_table(
            ["id", "what", "state", "who", "messages", "done", "failed", "filter"], map(_row, records)
        )


def _book(config: str, overrides: tuple[str, ...]) -> Book:
    if is_url(config):
        remote = open_client(config, overrides).remote
        assert remote is not None
        return remote.jobs
    return Ledger(load_for_queues(find(config), overrides).state_dir)


def _row(record: Record) -> list[str]:
    said = " ".join(f"{name}={_word(value)}" for name, value in record.filter.items()) or "all"
    what = f"{record.action} to {record.topic}" if record.topic else record.action
    who = f"{record.who}@{record.host}"
    counts = [str(record.total), str(record.acted), str(record.failed)]
    return [record.id, what, record.state, who, *counts, said]


def _word(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
