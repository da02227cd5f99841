"""A node's admin over HTTP, as a command asks it.

client.py enters. Every request of control.py has its endpoint here; a redirect is never followed, so that a
token goes only to the address that it was meant for.
"""

import http.client
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import click
import msgspec

from ringmain import control
from ringmain.clerk.records import Record
from ringmain.control import Done, Node, Pause, Recycle, Refused, Reload, Reply, Request, Resume, Scale, Seek
from ringmain.errors import NoAnswer, NodeRefused

TOKEN = "RINGMAIN_TOKEN"
JOBS_S = 15.0
LONGEST_REPLY_BYTES = 64 << 20

_SAID = ("reason", "error", "description", "detail", "message", "title")
"""Where an error's sentence may stand in its JSON."""

Told = TypeVar("Told")


class Remote:
    """The admin at this URL."""

    def __init__(self, url: str, token: str = "") -> None:
        parts = _parts(url)
        self.url = url.rstrip("/")
        self._host, self._port = parts.hostname or "", parts.port
        self._secure = parts.scheme == "https"
        self._prefix = parts.path.rstrip("/")
        self._headers = {"Accept": "application/json", "Connection": "close"}
        if not (token.isascii() and token.isprintable()):
            raise click.UsageError(
                f"the token ({TOKEN}, or admin.token) has a character that no header can have"
            )
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def ask(self, request: Request, timeout_s: float) -> Reply:
        """Do it there; Refused as at the control socket."""
        method, path, body = place_of(request)
        code, text = self._call(method, path, body, timeout_s)
        if code == 200 and isinstance(request, control.Look):
            picture: Node = self._decoded(text, Node)
            return picture
        if 200 <= code < 300:
            said = self._decoded(text, dict[str, Any]) if text else {}
            return Done(str(said.get("text") or "done"), [str(line) for line in said.get("lines") or []])
        return Refused(self._refusal(code, text), unknown=code == 404)

    @property
    def jobs(self) -> "Jobs":
        """Bulk jobs of that node."""
        return Jobs(self)

    def fetch(self, method: str, path: str, timeout_s: float) -> Any:
        """What stands there; NodeRefused if it may not be read."""
        code, text = self._call(method, path, None, timeout_s)
        if not 200 <= code < 300:
            raise NodeRefused(self._refusal(code, text))
        return self._decoded(text, Any)

    def _call(
        self, method: str, path: str, body: dict[str, Any] | None, timeout_s: float
    ) -> tuple[int, bytes]:
        """Status and body of the answer."""
        connection = self._connection(timeout_s)
        headers = self._headers | ({} if method == "GET" else {"Content-Type": "application/json"})
        content = None if method == "GET" else msgspec.json.encode(body or {})
        try:
            connection.request(method, self._prefix + path, content, headers)
            answer = connection.getresponse()
            text = answer.read(LONGEST_REPLY_BYTES)
        except TimeoutError:
            raise NoAnswer(self.url, f"nothing came within {timeout_s:g} s") from None
        except OSError as error:
            raise NoAnswer(self.url, _why(error)) from None
        except http.client.HTTPException as error:
            raise NoAnswer(self.url, f"this is no HTTP ({type(error).__name__})") from None
        finally:
            connection.close()
        return answer.status, text

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=timeout_s)

    def _refusal(self, code: int, text: bytes) -> str:
        """Why not, in a sentence."""
        if code in (301, 302, 303, 307, 308):
            raise self.stranger("it redirects: give the URL that it leads to")
        try:
            said = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise self.stranger(f"HTTP {code} without JSON") from None
        words = [said[name] for name in _SAID if said.get(name)] if isinstance(said, dict) else []
        reason = str(words[0]) if words else f"HTTP {code}"
        if code in (401, 403):
            return f"{self.url}: {reason} ({TOKEN}, or admin.token in the config, is what is sent)"
        return reason

    def _decoded(self, text: bytes, kind: Any) -> Any:
        try:
            return msgspec.json.decode(text, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self.stranger(str(error)) from None

    def stranger(self, reason: str) -> NoAnswer:
        """Something else than an admin of this version."""
        return NoAnswer(self.url, f"what answers is no admin of ringmain, or of another version ({reason})")


class Jobs:
    """Bulk jobs as an admin tells them."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def all(self) -> list[Record]:
        """Every record, the newest last."""
        found = self._remote.fetch("GET", "/api/jobs", JOBS_S)
        rows = found.get("jobs") if isinstance(found, dict) else found
        return self._converted(rows, list[Record])

    def cancel(self, job_id: str) -> Record:
        """Ask a running job for its end."""
        found = self._remote.fetch("POST", f"/api/jobs/{quote(job_id, safe='')}/cancel", JOBS_S)
        return self._converted(found, Record)

    def _converted(self, found: Any, kind: type[Told]) -> Told:
        try:
            return msgspec.convert(found, kind)
        except msgspec.ValidationError as error:
            raise self._remote.stranger(str(error)) from None


def place_of(request: Request) -> tuple[str, str, dict[str, Any]]:
    """Method, path and body of a request."""
    fields = msgspec.structs.fields(request)
    said = {one.name: getattr(request, one.name) for one in fields}
    body = {one.name: said[one.name] for one in fields if said[one.name] != one.default}
    match request:
        case control.Look():
            return "GET", "/api/picture", {}
        case Pause() | Resume() | Seek():
            action = type(request).__name__.lower()
            return "POST", f"/api/routes/{quote(body.pop('route'), safe='')}/{action}", body
        case Scale():
            return "POST", f"/api/routes/{quote(body.pop('pool'), safe='')}/scale", body
        case Recycle() if request.title:
            return "POST", f"/api/processes/{quote(body.pop('title'), safe='')}/recycle", body
        case Recycle() | Reload() | control.Quiet() | control.Stop():
            return "POST", f"/api/{type(request).__name__.lower()}", body


def is_url(name: str) -> bool:
    """Does CONFIG mean an admin?"""
    return name.lower().startswith(("http://", "https://"))


def _parts(url: str) -> Any:
    """The URL's parts; a usage error for one that cannot be asked."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise click.UsageError(f"{url!r}: a URL is http://HOST:PORT")
    if "@" in parts.netloc:
        raise click.UsageError(f"a URL of an admin has no password in it: the token is in {TOKEN}")
    if parts.query or parts.fragment:
        raise click.UsageError(f"{url!r}: what follows ? or # means nothing here")
    return parts


def _why(error: OSError) -> str:
    """`ssl` puts its words elsewhere."""
    return str(getattr(error, "verify_message", "") or error.strerror or error)
