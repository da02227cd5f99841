"""One handler process from its first line to its exit code.

The supervisor's fork enters, in the child; the user's module comes to life here and nowhere earlier. An app
that cannot be imported or started ends the process before it reports that it is at work.
"""

import asyncio
import logging

import uvloop

from ringmain import lifecycle
from ringmain.app import App
from ringmain.errors import AppError
from ringmain.handle import hooks, plan, present, sending, sync, transactions
from ringmain.handle.concurrent import GRACE_S, Calls, Terms
from ringmain.handle.concurrent_batches import BatchCalls
from ringmain.handle.limits import Limits
from ringmain.handle.work import Work, be_deaf
from ringmain.lifecycle import Booted, GaveUp
from ringmain.loading import load_app
from ringmain.logging import speak_of
from ringmain.seat import Seat

_log = logging.getLogger(__name__)


def run(seat: Seat) -> int:
    """Import the app, start it, serve its route or channel until told to end, stop it."""
    be_deaf()
    try:
        app = load_app(seat.config)
        events = uvloop.new_event_loop()
        asyncio.set_event_loop(events)
        work, terms, sent = _prepare(seat, app, events)
        hooks.start(app.start_hooks, events)
        work.leave_if_forked()
    except AppError as error:
        seat.link.send(GaveUp(str(error)))
        _log.error("the app cannot be started", extra={"reason": str(error)})
        return lifecycle.CANNOT_BOOT
    seat.link.send(Booted())
    if terms.resolver.spec.is_async:
        calls = BatchCalls(work, work.batches, terms, events) if work.batches else Calls(work, terms, events)
        speak_of(calls.present)
        calls.run()
    elif isinstance(sent, transactions.Transacting):
        transactions.loop(work, sent)
    elif sent is not None and sent.post is not None:
        sending.loop(work, sent.post)
    else:
        sync.loop(work)
    hooks.stop(app.stop_hooks, events)
    if sent is not None:
        sent.end(work)
    return lifecycle.OK if work.exit_code is None else work.exit_code


Sent = sending.Sending | transactions.Transacting | None
"""What goes with the producers of the app, if it has any."""


def _prepare(seat: Seat, app: App, events: asyncio.AbstractEventLoop) -> tuple[Work, Terms, Sent]:
    side = seat.segments[seat.pool].open_handler(seat.index, seat.incarnation)
    made = plan.build(app, seat.config, seat.route, seat.channel, side.pause)
    settings = made.settings
    sent: Sent = None
    if settings.transactional:
        sent = transactions.prepare(app, seat, made)
    elif app.producers:
        sent = sending.prepare(app, seat, made, side, events)
    made = made if sent is None else sent.plan
    if made.spec.batch and not made.spec.is_async:
        made, within = present.of_batches(made, seat.config)
        speak_of(within)
    elif not made.spec.is_async and not settings.transactional:
        speak_of(present.of_one(side, seat.route, seat.channel))
    limits = Limits(settings.max_messages, settings.max_rss_bytes)
    work = Work(seat, side, made.compiled(), limits, batches=made.batches())
    side.limit_runs(made.run_limit)
    side.hold_after = made.hold_after
    work.guard_forks()
    delivering = sent.delivering if isinstance(sent, sending.Sending) else frozenset()
    terms = Terms(made.resolver, made.decode, made.concurrency, settings.timeout_s, GRACE_S, delivering)
    return work, terms, sent
