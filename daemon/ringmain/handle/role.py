"""One handler process from its first line to its exit code.

The supervisor's fork enters, in the child; the user's module comes to life here and nowhere earlier. An app
that cannot be imported or started ends the process before it reports that it is at work.
"""

import asyncio
import logging

import uvloop

from ringmain import formats, lifecycle
from ringmain.app import App
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
"""`routes.R.concurrency` of an async route that does not say."""

_log = logging.getLogger(__name__)


def run(seat: Seat) -> int:
    """Import the app, start it, serve its route until told to end, stop it."""
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
    """What the app registered for this process's route, inside its middlewares."""
    app.check(seat.config)
    return compose(app.routes[seat.route], app.middlewares)


def _prepare(seat: Seat, spec: RouteSpec) -> tuple[Work, Terms]:
    config = seat.config
    route = config.routes[seat.route]
    side = seat.segments[seat.route].open_handler(seat.index, seat.incarnation)
    decode = formats.decoder(route.format, spec.type) if spec.wants & WANTS_VALUE else None
    resolver = Resolver(spec, route, side.pause, log_text=config.log.exceptions == "full")
    plan = CallPlan(spec.call, decode, resolver.resolve, spec.wants, spec.accepts_none, seat.route)
    work = Work(seat, side, plan, Limits(route.max_messages, route.max_rss_bytes))
    work.guard_forks()
    concurrency = route.concurrency or ASYNC_CONCURRENCY
    return work, Terms(resolver, decode, concurrency, route.timeout_s, GRACE_S)
