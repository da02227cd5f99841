"""Bulk work on the dead set, begun over HTTP: the clerk's jobs, each in a thread of its own.

endpoints.py enters. The answer comes when the dead set is in the job's hands, or is not to be had; what it
does from then on is in its record, which `/api/jobs` and `ringmain jobs` read. A job ends with this process,
between two batches.
"""

import base64
import logging
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Timeout
from contextlib import closing

import falcon
import msgspec
from msgspec import UNSET

from ringmain.admin.bodies import BulkBody, FilterBody, ReplayBody
from ringmain.admin.deadset import filter_of
from ringmain.clerk.acting import acting, stranger
from ringmain.clerk.job import Task, Watcher, carry_out, counted
from ringmain.clerk.orders import Action, Edit, Order
from ringmain.clerk.records import Ledger, Record
from ringmain.clock import monotonic_s
from ringmain.config.schema import Config
from ringmain.errors import JobRefused, QueuesAway
from ringmain.queues.connect import connect
from ringmain.queues.filters import Filter

BEGIN_S = 60.0
_log = logging.getLogger(__name__)


class Bulk(msgspec.Struct, frozen=True):
    """What a bulk call comes to: how many it is about, and the job that does it; null = nothing to do."""

    action: str
    total: int
    dry_run: bool
    job: Record | None


class Jobs(msgspec.Struct, frozen=True):
    """The jobs of this node, the newest last."""

    jobs: list[Record]


class Worker(threading.Thread, Watcher):
    """One job from its count to its end; `begun` has the answer as soon as there is one."""

    def __init__(self, config: Config, order: Order, dry_run: bool) -> None:
        threading.Thread.__init__(self, name=f"dead {order.action}", daemon=True)
        self.begun: Future[Bulk] = Future()
        self._config, self._order, self._dry_run = config, order, dry_run
        self._ends = threading.Event()

    def run(self) -> None:
        """In its own thread."""
        try:
            self._work()
        except Exception as error:
            if not self.begun.done():
                self.begun.set_exception(error)
            else:
                _log.exception("dead set: job ended badly")

    def _work(self) -> None:
        with closing(connect(self._config).dead_set()) as dead_set:
            order = self._order
            if said := stranger(self._config, dead_set, order.chosen):
                raise falcon.HTTPNotFound(description=said)
            mark, total = dead_set.mark(), counted(dead_set, order)
            if self._dry_run or not total:
                self.begun.set_result(Bulk(order.action, total, self._dry_run, None))
                return
            with acting(order, self._config, dead_set) as act:
                carry_out(Task(order, act, mark, total), dead_set, Ledger(self._config.state_dir), self)

    def began(self, record: Record) -> None:
        """The dead set is in hand."""
        self.begun.set_result(
            Bulk(record.action, record.total, False, msgspec.structs.replace(record, failures=[]))
        )

    def wants_end(self) -> bool:
        """Between two batches."""
        return self._ends.is_set()

    def end(self) -> None:
        """After the present batch."""
        self._ends.set()


class Works:
    """The jobs of this process, and the records of all of this node."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._ledger = Ledger(config.state_dir)
        self._at_work: list[Worker] = []

    def begin(self, action: Action, body: BulkBody, who: str) -> Bulk:
        """JobRefused for what cannot be meant, DeadSetBusy when another has it in hand."""
        order = order_of(action, body, who)
        self._at_work = [worker for worker in self._at_work if worker.is_alive()]
        worker = Worker(self._config, order, body.dry_run)
        self._at_work.append(worker)
        worker.start()
        try:
            return worker.begun.result(BEGIN_S)
        except Timeout:
            worker.end()
            raise QueuesAway(f"nothing was begun within {BEGIN_S:g} s") from None

    def jobs(self) -> Jobs:
        """All that are known."""
        return Jobs(self._ledger.all())

    def job(self, job_id: str) -> Record | None:
        """One."""
        return self._ledger.get(job_id)

    def cancel(self, job_id: str) -> Record:
        """Ask for its end; JobRefused when it runs no more."""
        return self._ledger.cancel(job_id)

    def end(self, within_s: float) -> None:
        """The process ends: let each finish its batch."""
        until_s = monotonic_s() + within_s
        for worker in self._at_work:
            worker.end()
        for worker in self._at_work:
            worker.join(max(0.0, until_s - monotonic_s()))


def order_of(action: Action, body: BulkBody, who: str) -> Order:
    """What is asked for; JobRefused when neither ids nor filter nor all are given, or several of them."""
    given = [body.ids is not UNSET, body.filter is not UNSET, body.all]
    if sum(given) > 1:
        raise JobRefused("ids, filter and all exclude each other: give one of them")
    chosen = filter_of(body.filter or FilterBody(), body.ids or ())
    replay = body if isinstance(body, ReplayBody) else ReplayBody()
    order = Order(
        action=action, chosen=chosen, who=who, topic=replay.topic, limit=body.limit, rate=body.rate,
        max_failed=replay.max_failed, edit=_edit(replay),
    )  # fmt: skip
    if not body.all and chosen == Filter():
        raise JobRefused(f"neither ids nor a filter: to {action} everything say all: true")
    if order.edit is not None and len(chosen.ids) != 1:
        raise JobRefused("a value is for exactly one message: give its id in ids")
    return order


def _edit(body: ReplayBody) -> Edit | None:
    """The value as an entry shows one: JSON as it is written, text, or base64; JSON's null is a tombstone."""
    if body.value is UNSET:
        return None
    raw = bytes(body.value)
    if body.value_encoding == "json":
        return Edit(None if raw == b"null" else raw)
    try:
        text = msgspec.json.decode(raw, type=str)
        if body.value_encoding == "utf-8":
            return Edit(text.encode())
        return Edit(base64.b64decode(text, validate=True))
    except (msgspec.MsgspecError, ValueError) as error:
        raise JobRefused(f"the value is not {body.value_encoding}: {error}") from None
