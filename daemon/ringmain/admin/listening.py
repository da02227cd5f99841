"""The address that a server of this node listens at: opened before gunicorn comes to life.

role.py enters. An address that somebody else has is waited for, said now and then, and never a reason to end.
"""

import logging
import select
import socket

from ringmain.clock import monotonic_s
from ringmain.lifecycle import Retire, Status, Stop
from ringmain.seat import Seat

BACKLOG = 512
RETRY_S = 1.0
SAY_EVERY_S = 60.0
_log = logging.getLogger(__name__)


def parted(bind: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:8100` or `[::1]:8100`."""
    host, _, port = bind.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def listen(bind: str) -> socket.socket:
    """A listening socket; OSError says why there is none."""
    host, port = parted(bind)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, place = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def url_of(listener: socket.socket) -> str:
    """Where it can be reached on this machine."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def listen_at_last(seat: Seat, bind: str) -> socket.socket | None:
    """A listening socket, however long it takes; None when the end came first."""
    said_s = -SAY_EVERY_S
    while True:
        try:
            return listen(bind)
        except OSError as error:
            reason = f"cannot listen at {bind}: {error.strerror or error}"
        if monotonic_s() - said_s >= SAY_EVERY_S:
            said_s = monotonic_s()
            seat.link.send(Status("waiting", reason))
            _log.error("cannot listen: trying again", extra={"bind": bind, "reason": reason})
        if _told_to_end(seat):
            return None


def _told_to_end(seat: Seat) -> bool:
    seat.board.beat(seat.beat)
    select.select([seat.link.fileno()], [], [], RETRY_S)
    return seat.link.closed or any(isinstance(order, Stop | Retire) for order in seat.link.receive())
