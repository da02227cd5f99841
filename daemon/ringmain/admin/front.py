"""The outermost WSGI callable of a worker: the app's mounts, then the admin's own addresses.

server.py enters by `admin_of` and `http_of`, in each worker after its fork. The user's module is imported
only where it has mounted something.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import falcon

from ringmain import outgoing
from ringmain.admin import mounts, site
from ringmain.admin.gate import Gate
from ringmain.admin.mounts import Callback, Environ, Mounts, StartResponse
from ringmain.app import App
from ringmain.config.check import is_loopback
from ringmain.errors import AppError
from ringmain.loading import load_app
from ringmain.seat import Seat

SECURITY = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    (
        "Content-Security-Policy",
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
]
LEAVE_S = 2.0
FRESH = ("Cache-Control", "no-store")
_log = logging.getLogger(__name__)


class Finder(Protocol):
    """What knows mounts."""

    def find(self, path: str) -> Callback | None:
        """What answers for this path."""

    def leave(self) -> None:
        """The worker ends."""


class Front:
    """Mounts first, since their prefixes are nobody else's."""

    def __init__(self, found: Finder, own: Callback, leave: Callable[[], None] | None = None) -> None:
        self._mounts, self._own = found, own
        self.leave = leave
        """What is to be done before the worker ends."""

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """WSGI."""
        mounted = self._mounts.find(environ["PATH_INFO"])
        if mounted is not None:
            return mounted(environ, start_response)

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            kept = any(name.lower() == "cache-control" for name, _ in headers)
            return start_response(status, headers + SECURITY + ([] if kept else [FRESH]), *more)

        return self._own(environ, start)


class NoMounts:
    """Nothing is mounted here."""

    def find(self, _path: str) -> Callback | None:
        """Nothing."""
        return None

    def leave(self) -> None:
        """Nothing."""


class Broken:
    """The app cannot be imported here; whatever is not the admin's own may be one of its routes."""

    def __init__(self, known: Callable[[str], bool]) -> None:
        self._known = known

    def find(self, path: str) -> Callback | None:
        """503 with the reason in the log."""
        if self._known(path):
            return None
        return lambda _environ, start: mounts.refuse(
            start, 503, "the app cannot be imported; the log says why"
        )

    def leave(self) -> None:
        """Nothing was begun."""


class Shut:
    """Beyond loopback and without a token, only what is public answers."""

    def admit(self, _req: falcon.Request) -> None:
        """Nobody."""
        raise falcon.HTTPForbidden(description="this route is not public: it needs admin.token")


def admin_of(seat: Seat) -> Callback:
    """The admin, and the app's routes where they have no server of their own."""
    config = seat.config
    made = site.Site(seat)
    own = site.make(made, config.modes)
    own_mounts = seat.mounted and config.http is None and "api-server" in config.modes
    found = _mounts(seat, made.gate, site.is_own) if own_mounts else NoMounts()

    def leave() -> None:
        found.leave()
        made.works.end(LEAVE_S)

    return Front(found, own, leave)


def http_of(seat: Seat) -> Callback:
    """The app's routes alone."""
    config = seat.config
    assert config.http is not None
    gate: Gate | Shut | None = Gate(config.admin)
    if isinstance(gate, Gate) and gate.is_open:
        gate = None if is_loopback(config.http.bind) else Shut()
    nothing: falcon.App[falcon.Request, falcon.Response] = falcon.App(media_type="application/json")
    nothing.set_error_serializer(site.serialize)
    found = _mounts(seat, gate, lambda _path: False)
    return Front(found, nothing, found.leave)


def _producing(app: App, seat: Seat) -> Callable[[], None]:
    """Open the app's producers in this worker; what is to be done at its end."""
    if not app.producers:
        return lambda: None
    outlets = outgoing.for_threads(app, seat.config, seat.role)

    def leave() -> None:
        if left := outlets.flush(LEAVE_S):
            _log.error("not delivered before this worker ended", extra={"messages": left})
        outlets.close()

    return leave


def _mounts(seat: Seat, gate: Gate | Shut | None, known: Callable[[str], bool]) -> Finder:
    try:
        app = load_app(seat.config)
        return Mounts(app, gate, _producing(app, seat))
    except AppError as error:
        _log.error("the app's routes are not served", extra={"reason": str(error)})
        return Broken(known)
