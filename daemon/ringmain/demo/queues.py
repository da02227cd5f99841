"""Where the demo keeps its retries and its dead: a file in its folder, or a RabbitMQ that somebody named.

stage.py enters, for the time of the demo. In RabbitMQ the queues have a name of this run's, so that nothing
of an earlier demo, or of anybody's deployment, is met; they are deleted at the end.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ringmain.demo import sample
from ringmain.errors import QueuesAway
from ringmain.queues.contract import Queues
from ringmain.queues.sqlite import SqliteQueues


class Place(NamedTuple):
    """The queues, what the config must say to use them, and what people are told."""

    queues: Queues
    overrides: Mapping[str, str]
    said: str


@contextmanager
def place(folder: Path, url: str) -> Iterator[Place]:
    """The queues at this URL, "" = in a file of the folder. QueuesAway when RabbitMQ does not answer."""
    if not url:
        path = folder / "state" / "queues.db"
        yield Place(SqliteQueues(sample.NAME, path), {}, "queues  one SQLite file, state/queues.db")
        return
    from ringmain.queues.rabbit import Access, RabbitQueues, Topology, address

    name = f"{sample.NAME}-{os.getpid()}"
    where = address(url)
    queues = RabbitQueues(
        name, Access([where], name=f"ringmain {name}"), Topology("quorum"), [(sample.ROUTE, "")]
    )
    queues.try_out()
    overrides = {"name": name, "queues.backend": "rabbitmq", "queues.url": url}
    try:
        yield Place(queues, overrides, f"queues  RabbitMQ at {where}: {name}.…, deleted at the end")
    finally:
        try:
            queues.delete()
        except QueuesAway as away:
            print(f"queues named {name}.… are left behind: {away}", file=sys.stderr)
