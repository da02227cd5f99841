"""One handler process from its first line to its exit code.

The supervisor's fork enters, in the child; the user's module comes to life here and nowhere earlier. An app
that cannot be imported or started ends the process before it reports that it is at work.
"""

import asyncio
import logging

import uvloop

from ringmain import formats, lifecycle
from ringmain.app import App
from ringmain.config.pools import pool_of
from ringmain.errors import AppError
from ringmain.handle import hooks, sync
from ringmain.handle.concurrent import GRACE_S, Calls, Terms
from ringmain.handle.limits import Limits
from ringmain.handle.resolve import Resolver
from ringmain.handle.work import Work, be_deaf
from ringmain.lifecycle import Booted
from ringmain.loading import load_app
from ringmain.middleware import compose
from ringmain.rings import CallPlan
from ringmain.seat import Seat
from ringmain.signature import WANTS_VALUE, RouteSpec

ASYNC_CONCURRENCY = 100
"""`concurrency` of an async route or channel that does not say."""

_log = logging.getLogger(__name__)


def run(seat: Seat) -> int:
    """Import the app, start it, serve its route or channel until told to end, stop it."""
    be_deaf()
    try:
        app = load_app(seat.config)
        spec = _spec(app, seat)
        events = uvloop.new_event_loop()
        asyncio.set_event_loop(events)
        work, terms = _prepare(seat, spec)
        hooks.start(app.start_hooks, events)
        work.leave_if_forked()
    except AppError as error:
        _log.error("the app cannot be started", extra={"reason": str(error)})
        return lifecycle.CANNOT_BOOT
    seat.link.send(Booted())
    if spec.is_async:
        Calls(work, terms, events).run()
    else:
        sync.loop(work)
    hooks.stop(app.stop_hooks, events)
    return lifecycle.OK if work.exit_code is None else work.exit_code


def _spec(app: App, seat: Seat) -> RouteSpec:
    """What the app registered for this process's route or channel, inside its middlewares."""
    app.check(seat.config)
    return compose(app.handler_of(seat.route, seat.channel), app.middlewares)


def _prepare(seat: Seat, spec: RouteSpec) -> tuple[Work, Terms]:
    config, settings = seat.config, pool_of(seat.config, seat.pool).settings
    side = seat.segments[seat.pool].open_handler(seat.index, seat.incarnation)
    decode = formats.decoder(settings.format, spec.type) if spec.wants & WANTS_VALUE else None
    resolver = Resolver(spec, settings, side.pause, log_text=config.log.exceptions == "full")
    plan = CallPlan(
        spec.call, decode, resolver.resolve, spec.wants, spec.accepts_none, seat.route, seat.channel
    )
    work = Work(seat, side, plan, Limits(settings.max_messages, settings.max_rss_bytes))
    work.guard_forks()
    concurrency = settings.concurrency or ASYNC_CONCURRENCY
    return work, Terms(resolver, decode, concurrency, settings.timeout_s, GRACE_S)
