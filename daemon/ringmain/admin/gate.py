"""Who may look and who may act: the tokens, and what a browser could be made to do without one.

endpoints' responder enters before anything is read. Comparison takes the same time whatever is wrong.
"""

import hmac
from urllib.parse import urlsplit

import falcon

from ringmain.config.check import is_loopback
from ringmain.config.schema import Admin

SAFE = ("GET", "HEAD", "OPTIONS")
_OWN_HOSTS = frozenset({"localhost", "ip6-localhost"})


class Gate:
    """The rules of one admin."""

    def __init__(self, admin: Admin) -> None:
        self._token = (admin.token or "").encode()
        self._read_token = (admin.read_token or "").encode()
        named = {_host_of(admin.bind), urlsplit(admin.advertise or "").hostname or ""}
        self._hosts = (named | _OWN_HOSTS) - {""}
        self.is_open = not (self._token or self._read_token)

    def admit(self, req: falcon.Request) -> None:
        """falcon.HTTPUnauthorized or HTTPForbidden for whoever may not."""
        acts = req.method not in SAFE
        if acts:
            _refuse_other_sites(req)
        if self.is_open:
            self._refuse_other_names(req)
            return
        given = _bearer(req)
        may_act = _same(given, self._token)
        may_read = _same(given, self._read_token) or may_act
        if not may_read:
            what = "this token is not accepted" if given else "a token is needed: Authorization: Bearer TOKEN"
            raise falcon.HTTPUnauthorized(description=what, challenges=["Bearer"])
        if acts and not may_act:
            raise falcon.HTTPForbidden(description="this token may only read: admin.token may act")

    def _refuse_other_names(self, req: falcon.Request) -> None:
        """Without a token only loopback listens; a page elsewhere may call it by a name of its own."""
        host = _host_of(req.get_header("Host") or "")
        if host not in self._hosts and not is_loopback(f"[{host}]:0" if ":" in host else f"{host}:0"):
            raise falcon.HTTPForbidden(
                description=f"without admin.token it answers on this machine only, not as {host[:100]!r}"
            )


def _refuse_other_sites(req: falcon.Request) -> None:
    """A page of another site may make a browser send, and must not be obeyed."""
    origin = req.get_header("Origin")
    foreign = req.get_header("Sec-Fetch-Site") in ("cross-site", "same-site")
    if foreign or (origin and origin.partition("://")[2] != req.get_header("Host")):
        raise falcon.HTTPForbidden(description="acts are not taken from a page of another site")


def _bearer(req: falcon.Request) -> bytes:
    scheme, _, token = (req.get_header("Authorization") or "").partition(" ")
    # WSGI reads a header's bytes as latin-1.
    return token.strip().encode("latin-1", "replace") if scheme.lower() == "bearer" else b""


def _same(given: bytes, token: bytes) -> bool:
    return hmac.compare_digest(given, token) and bool(token)


def _host_of(place: str) -> str:
    try:
        return urlsplit(f"//{place}").hostname or ""
    except ValueError:
        return place
