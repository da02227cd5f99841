"""`find` and `forget`: one person's messages in all queues of an app, and the receipt of their end.

The command line enters. The receipt says who, when, by which expression, how many of which queue and which
messages; and what it could not reach. It is written into `state_dir/receipts` for its owner alone.
"""

import contextlib
import logging
import os
import socket
from pathlib import Path

import msgspec

from ringmain.clerk.orders import in_words
from ringmain.clock import wall_ms
from ringmain.errors import JobRefused
from ringmain.queues.contract import Found, Queues
from ringmain.queues.entry import iso
from ringmain.queues.filters import Filter

NOT_REACHED = (
    "Not reached: messages in the ring of a running daemon (they come back into a queue if they fail), Kafka "
    "itself, logs and backups. To be sure: run it with the daemons of this name stopped or quiet, or run it "
    "again until nothing is found."
)

log = logging.getLogger(__name__)


class Gone(msgspec.Struct, frozen=True):
    """One forgotten message."""

    queue: str
    id: str
    message_id: str


class Receipt(msgspec.Struct, kw_only=True):
    """`held` = how many of them a running daemon had in its ring at that moment as well."""

    id: str
    name: str
    who: str
    host: str
    began_at: str
    ended_at: str = ""
    expression: dict[str, object]
    complete: bool = False
    messages: int = 0
    held: int = 0
    queues: dict[str, int] = {}
    forgotten: list[Gone] = []
    not_reached: str = NOT_REACHED


class Receipts:
    """The folder of receipts."""

    def __init__(self, state_dir: str) -> None:
        self._folder = Path(state_dir) / "receipts"

    def save(self, receipt: Receipt) -> Path:
        """Whole, and on disk, before it is said that anything is forgotten."""
        path = self._folder / f"{receipt.id}.json"
        fresh = path.with_suffix(".new")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(msgspec.json.encode(receipt))
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, path)
        except OSError as error:
            raise JobRefused(f"no receipt can be written to {self._folder}: {error.strerror}") from None
        return path


def begun(name: str, who: str, chosen: Filter) -> Receipt:
    """The receipt of a forgetting that begins now."""
    now = iso(wall_ms())
    return Receipt(
        id=f"{now[:19].replace('-', '').replace(':', '')}-{os.urandom(3).hex()}",
        name=name,
        who=who,
        host=socket.gethostname(),
        began_at=now,
        expression=in_words(chosen),
    )


def forget(queues: Queues, receipt: Receipt, chosen: Filter, receipts: Receipts) -> Path:
    """Forget what passes, while nobody replays anything. The receipt is kept also if it ends half-way."""
    receipts.save(receipt)  # or nothing is begun
    with contextlib.ExitStack() as open_ones:
        dead_set = open_ones.enter_context(contextlib.closing(queues.dead_set()))
        open_ones.enter_context(contextlib.closing(dead_set.hold(f"{receipt.who} (forget {receipt.id})")))
        search = open_ones.enter_context(contextlib.closing(queues.search()))
        try:
            for found in search.forget(chosen):
                _enter(receipt, found)
            receipt.complete = True
        finally:
            receipt.ended_at = iso(wall_ms())
            path = receipts.save(receipt)
            said = {"receipt": receipt.id, "who": receipt.who, "messages": receipt.messages}
            log.info("messages forgotten", extra={**said, "complete": receipt.complete})
    return path


def _enter(receipt: Receipt, found: Found) -> None:
    receipt.messages += 1
    receipt.held += found.held
    receipt.queues[found.queue] = receipt.queues.get(found.queue, 0) + 1
    receipt.forgotten.append(Gone(found.queue, found.id, found.envelope.message_id))
