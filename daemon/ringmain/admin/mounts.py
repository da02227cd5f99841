"""The app's own HTTP routes, as `app.mount` registered them: found by prefix, kept from hurting the rest.

front.py enters with each request. Whatever a mount raises is a JSON 500 and a line in the log; the worker
goes on. A mount sees its prefix as SCRIPT_NAME, as WSGI apps expect.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import falcon
import msgspec

from ringmain.admin.refusals import JSON, Refusal
from ringmain.app import App, Mount

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Callback = Callable[[Environ, StartResponse], Iterable[bytes]]
_log = logging.getLogger(__name__)


class Admits(Protocol):
    """Who may come in."""

    def admit(self, req: falcon.Request) -> None:
        """falcon.HTTPError for whoever may not."""


class Complaints:
    """Where a mounted app writes its errors: our log."""

    def write(self, text: str) -> int:
        """Lines of a traceback."""
        if text.strip():
            _log.error("the app says", extra={"said": text.rstrip()})
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Several."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Nothing is kept back."""


class Mounts:
    """The mounts of an app, longest prefix first."""

    def __init__(self, app: App, gate: Admits | None, leave: Callable[[], None] = lambda: None) -> None:
        self._gate = gate
        self.leave = leave
        """What is to be done for them before the worker ends."""
        found = sorted(app.mounts.values(), key=lambda mount: len(mount.prefix), reverse=True)
        self._mounted = [(mount, _callback(mount)) for mount in found]
        self._complaints = Complaints()

    def find(self, path: str) -> Callback | None:
        """What answers for this path."""
        for mount, callback in self._mounted:
            if path == mount.prefix or path.startswith(f"{mount.prefix}/"):
                return lambda environ, start: self._call(mount, callback, environ, start)
        return None

    def _call(
        self, mount: Mount, callback: Callback, environ: Environ, start: StartResponse
    ) -> Iterable[bytes]:
        if not mount.public and self._gate is not None:
            try:
                self._gate.admit(falcon.Request(environ))
            except falcon.HTTPError as refused:
                return refuse(start, refused.status_code, refused.description or refused.title or "")
        environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + mount.prefix
        environ["PATH_INFO"] = environ["PATH_INFO"][len(mount.prefix) :]
        environ["wsgi.errors"] = self._complaints
        return _guarded(mount, callback, environ, start)


def refuse(start: StartResponse, status: int, reason: str) -> list[bytes]:
    """A WSGI answer that says no."""
    body = msgspec.json.encode(Refusal(reason, status))
    headers = [("Content-Type", JSON), ("Content-Length", str(len(body)))]
    if status == 401:
        headers.append(("WWW-Authenticate", "Bearer"))
    start(falcon.code_to_http_status(status), headers)
    return [body]


def _guarded(
    mount: Mount, callback: Callback, environ: Environ, start: StartResponse
) -> Iterator[bytes] | list[bytes]:
    """Its answer; what is raised before the first piece becomes a 500, later ones end the connection."""
    started: list[tuple[Any, ...]] = []

    def note(*said: Any) -> Callable[[bytes], Any]:
        started[:] = [said]
        return _no_write

    try:
        pieces = iter(callback(environ, note))
        first = next(pieces, b"")
        status, headers = started[-1][:2]
    except (Exception, SystemExit) as error:
        said = {"mount": mount.prefix, "method": environ.get("REQUEST_METHOD", "")}
        _log.error("a mounted route raised", extra=said, exc_info=error)
        return refuse(start, 500, "the app could not answer; the log says why")
    start(status, headers)
    return _chained(first, pieces)


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield first
        yield from rest
    finally:
        if close := getattr(rest, "close", None):
            close()


def _no_write(_piece: bytes) -> None:
    raise NotImplementedError("return the body from a mounted app; start_response()'s write() is not there")


def _callback(mount: Mount) -> Callback:
    if not mount.is_resource:
        target: Callback = mount.target
        return target
    app: falcon.App[falcon.Request, falcon.Response] = falcon.App(media_type=JSON)
    app.add_route("/", mount.target)
    return app
