"""gunicorn as a child of the supervisor: its arbiter beats and obeys, its workers die with it.

role.py enters. What gunicorn would do on its own account (signals of the terminal, notes to systemd, a
control socket, log files, HTML errors) is the supervisor's business or nobody's here. A client has so long to
send its request, and so long until it is answered: eight slow ones must not be the end of the ninth.
"""

import fcntl
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker
from setproctitle import setproctitle

from ringmain import lifecycle
from ringmain.admin import refusals
from ringmain.admin.listening import url_of
from ringmain.clock import monotonic_s
from ringmain.lifecycle import Retire, Status, Stop
from ringmain.seat import Seat

Environ = dict[str, Any]
Callback = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Wsgi = Callable[[Seat], Callback]

THREADS = 8
READ_S = 5.0
"""For the line and the headers of a request."""
ANSWER_S = 240.0
"""For the whole of it: a reload is tried in a process that imports the app."""
KEEP_ALIVE_S = 15
LEAVE_S = 3
_DEAF_TO = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH)
_log = logging.getLogger(__name__)


class Lines(Logger):  # type: ignore[misc]
    """gunicorn's words in our log; what it says at each start is for those who debug."""

    def setup(self, cfg: Any) -> None:
        """No handlers and no files of its own."""
        self.error_log = self.access_log = logging.getLogger("gunicorn")

    def info(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Of no interest to an operator."""
        self.error_log.debug(msg, *args, **kwargs)

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Requests are not logged, acts are."""

    def reopen_files(self) -> None:
        """There are none."""

    def close_on_exec(self) -> None:
        """There are none."""


class Worker(ThreadWorker):  # type: ignore[misc]
    """Threads that answer; whoever is too slow is hung up on."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._due_s: dict[Any, float] = {}

    def init_signals(self) -> None:
        """Only the arbiter tells a worker to end; a terminal's Ctrl-C is the supervisor's."""
        for number in _DEAF_TO:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, self.handle_exit)
        signal.signal(signal.SIGQUIT, self.handle_quit)
        signal.signal(signal.SIGABRT, self.handle_abort)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """At once."""
        os._exit(lifecycle.OK)

    def handle(self, conn: Any) -> Any:
        """One request; its time begins."""
        self._due_s[conn] = monotonic_s() + READ_S
        try:
            return super().handle(conn)
        finally:
            self._due_s.pop(conn, None)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Its headers have come."""
        self._due_s[conn] = monotonic_s() + ANSWER_S
        return super().handle_request(req, conn)

    def notify(self) -> None:
        """Each second: the worker lives, and so long may nobody take."""
        super().notify()
        now_s = monotonic_s()
        for conn, due_s in list(self._due_s.items()):
            if now_s >= due_s:
                _hang_up(conn.sock)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """What is no HTTP gets a JSON answer like everything else."""
        status, reason = refusals.of(exc)
        if status == 500:
            _log.error("a request could not be answered", exc_info=exc)
        try:
            client.settimeout(READ_S)
            client.sendall(refusals.bare_answer(status, reason))
        except OSError as gone:
            _log.debug("nobody is there to be told", extra={"reason": str(gone)})


def _hang_up(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError as gone:
        _log.debug("already gone", extra={"reason": str(gone)})


class Gunicorn(BaseApplication):  # type: ignore[misc]
    """The settings, and the app of each worker."""

    def __init__(self, seat: Seat, listener: socket.socket, workers: int, make: Wsgi) -> None:
        self._seat, self._make = seat, make
        self._settings = {
            "bind": f"fd://{listener.detach()}",
            "workers": workers,
            "worker_class": Worker,
            "threads": THREADS,
            "limit_request_line": 8190,
            "keepalive": KEEP_ALIVE_S,
            "timeout": 60,
            "graceful_timeout": LEAVE_S,
            "logger_class": Lines,
            "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else None,
            "control_socket_disable": True,
            "post_fork": self._born,
            "worker_exit": self._leaving,
        }
        super().__init__()

    def load_config(self) -> None:
        """Ours, and nothing from files, arguments or the environment."""
        for name, value in self._settings.items():
            if name in self.cfg.settings:  # younger gunicorns know more
                self.cfg.set(name, value)

    def load(self) -> Callback:
        """In a worker."""
        return self._make(self._seat)

    def _leaving(self, _arbiter: Any, _worker: Any) -> None:
        if (leave := getattr(self.callable, "leave", None)) is not None:
            leave()

    def _born(self, arbiter: Any, worker: Any) -> None:
        lifecycle.die_with(arbiter.pid)
        _take_title(self._seat, f" worker {worker.age}")


class Master(Arbiter):  # type: ignore[misc]
    """gunicorn's arbiter as a role."""

    SIGNALS = ()
    """The supervisor speaks on the link; what others send stays as the fork left it."""

    def __init__(self, app: Gunicorn, seat: Seat, url: str) -> None:
        super().__init__(app)
        self._seat, self._url = seat, url
        self._titled = False

    def when_bound(self) -> None:
        """People and tests learn where."""
        self._seat.link.send(Status("ok", self._url))
        _log.info("listening", extra={"url": self._url})

    def manage_workers(self) -> None:
        """Each round of gunicorn's loop, about once a second."""
        if not self._titled:  # gunicorn has just taken one of its own
            self._titled = True
            _take_title(self._seat, "")
        super().manage_workers()
        self._seat.board.beat(self._seat.beat)
        orders = self._seat.link.receive()
        if self._seat.link.closed or any(isinstance(order, Stop | Retire) for order in orders):
            raise StopIteration  # gunicorn's own word for a graceful end


def serve(seat: Seat, listener: socket.socket, workers: int, make: Wsgi) -> int:
    """Until told to end."""
    url = url_of(listener)
    master = Master(Gunicorn(seat, listener, workers, make), seat, url)
    master.cfg.set("when_ready", lambda _arbiter: master.when_bound())
    _wake_by_link(seat, master)
    master.run()
    return lifecycle.OK


def _wake_by_link(seat: Seat, master: Master) -> None:
    """gunicorn waits on a queue, not on descriptors; no thread may live before its forks, a signal may."""
    number = seat.link.fileno()
    signal.signal(signal.SIGIO, lambda _number, _frame: master.wakeup())
    fcntl.fcntl(number, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(number, fcntl.F_SETFL, fcntl.fcntl(number, fcntl.F_GETFL) | os.O_ASYNC)


def _take_title(seat: Seat, more: str) -> None:
    setproctitle(f"ringmain: {seat.config.name} {seat.title}{more}")
