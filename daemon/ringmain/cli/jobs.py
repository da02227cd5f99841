"""`ringmain jobs CONFIG`: the bulk jobs on the dead set that ran on this node, and the end of one.

They are read from `state_dir`; no daemon and no queue is asked.
"""

import click

from ringmain.clerk.records import Ledger, Record
from ringmain.cli.arguments import config_argument, json_option, print_json, set_option
from ringmain.cli.deadtext import print_table
from ringmain.config.load import find, load_for_queues


@click.command()
@config_argument
@click.option("--cancel", metavar="ID", help="End this job after its present batch.")
@set_option
@json_option
def jobs(config: str, overrides: tuple[str, ...], cancel: str | None, as_json: bool) -> None:
    """Bulk jobs of this node, the newest last."""
    ledger = Ledger(load_for_queues(find(config), overrides).state_dir)
    if cancel is not None:
        record = ledger.cancel(cancel)
        if as_json:
            print_json(record)
        else:
            click.echo(f"job {record.id} ends after its present batch")
        return
    records = ledger.all()
    if as_json:
        print_json(records)
    elif not records:
        click.echo("no job was run on this node")
    else:
        print_table(
            ["id", "what", "state", "who", "messages", "done", "failed", "filter"], map(_row, records)
        )


def _row(record: Record) -> list[str]:
    said = " ".join(f"{name}={_word(value)}" for name, value in record.filter.items()) or "all"
    what = f"{record.action} to {record.topic}" if record.topic else record.action
    who = f"{record.who}@{record.host}"
    counts = [str(record.total), str(record.acted), str(record.failed)]
    return [record.id, what, record.state, who, *counts, said]


def _word(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
