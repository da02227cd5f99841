"""Errors as every client meets them: one JSON object with a sentence, the status, and who is in the way.

The site and gunicorn's worker enter. Never a traceback, never HTML.
"""

from http import HTTPStatus

import msgspec
from gunicorn.http import errors

JSON = "application/json"
_STATUS_OF: dict[type[BaseException], int] = {
    errors.LimitRequestLine: 414,
    errors.LimitRequestHeaders: 431,
    errors.UnsupportedTransferCoding: 501,
    errors.ForbiddenProxyRequest: 403,
    errors.InvalidHTTPVersion: 505,
}


class Busy(msgspec.Struct, frozen=True):
    """Who has the dead set in hand."""

    who: str
    host: str
    since: str


class Refusal(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why there is no other answer."""

    error: str
    status: int
    holder: Busy | None = None


def of(exc: BaseException) -> tuple[int, str]:
    """Status and sentence of what gunicorn could not read."""
    status = next((status for kind, status in _STATUS_OF.items() if isinstance(exc, kind)), 0)
    if status or isinstance(exc, errors.ParseException):
        return status or 400, f"this is no request that can be read: {exc}"
    return 500, "something went wrong here; the log says what"


def bare_answer(status: int, reason: str) -> bytes:
    """A whole HTTP answer, where there is no framework yet."""
    body = msgspec.json.encode(Refusal(printable(reason), status))
    phrase = HTTPStatus(status).phrase
    head = (
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {JSON}\r\nContent-Length: {len(body)}\r\n"
        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def printable(text: str) -> str:
    """What came from outside may hold halves of characters."""
    return text[:300].encode(errors="backslashreplace").decode()
