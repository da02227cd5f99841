"""The admin process from its first line to its exit code, and that of the app's own HTTP server.

The supervisor's fork enters, in the child. The process becomes gunicorn's arbiter; Falcon and the user's
module come to life in its workers only.
"""

import os

from ringmain import lifecycle
from ringmain.admin import front
from ringmain.admin.listening import listen_at_last
from ringmain.admin.server import Wsgi, serve
from ringmain.lifecycle import Booted
from ringmain.seat import Seat

_OF_OTHERS = ("NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "GUNICORN_PID", "GUNICORN_FD")
"""What gunicorn would take for its own: it must not tell systemd that the daemon is ready."""


def run(seat: Seat) -> int:
    """Serve the admin until told to end."""
    return _run(seat, seat.config.admin.bind, 1, front.admin_of)


def run_http(seat: Seat) -> int:
    """Serve the app's own routes until told to end."""
    http = seat.config.http
    return lifecycle.OK if http is None else _run(seat, http.bind, http.workers, front.http_of)


def _run(seat: Seat, bind: str, workers: int, make: Wsgi) -> int:
    for name in _OF_OTHERS:
        os.environ.pop(name, None)
    seat.link.send(Booted())
    listener = listen_at_last(seat, bind)
    if listener is None:
        return lifecycle.OK
    return serve(seat, listener, workers, make)
