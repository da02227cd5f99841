"""Where RabbitMQ is and who we are there: what the config's `[queues]` says, read once.

backend.py makes one, every connection goes by it. Nothing is resolved, opened or read from disk here before
`tls_context`, which runs when a connection is made.
"""

import ssl
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

_PORT, _TLS_PORT = 5672, 5671
_ANYBODY = "guest"


class Address(NamedTuple):
    """One URL of the config."""

    host: str
    port: int
    vhost: str
    username: str
    password: str
    tls: bool

    def __str__(self) -> str:
        """As an operator knows it; never the password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class TlsFiles(NamedTuple):
    """`queues.tls`; None = the system's own trust, no client certificate."""

    ca: str | None = None
    cert: str | None = None
    key: str | None = None


class Access(NamedTuple):
    """All that a connection needs to know."""

    addresses: Sequence[Address]
    tls: TlsFiles = TlsFiles()
    name: str = "ringmain"
    """What the broker's management page shows for the connection."""


def address(url: str, username: str | None = None, password: str | None = None) -> Address:
    """One URL; what is said beside it counts over what stands in it."""
    parts = urlsplit(url)
    tls = parts.scheme == "amqps"
    return Address(
        host=parts.hostname or "localhost",
        port=parts.port or (_TLS_PORT if tls else _PORT),
        vhost=unquote(parts.path[1:]) or "/",
        username=username or unquote(parts.username or _ANYBODY),
        password=password if password is not None else unquote(parts.password or _ANYBODY),
        tls=tls,
    )


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """Verifies the server by name; OSError (ssl's own among them) names what cannot be read."""
    for path in filter(None, files):
        with open(path, "rb"):
            pass  # ssl's own error does not say which file it is about
    context = ssl.create_default_context(cafile=files.ca)
    if files.cert:
        context.load_cert_chain(files.cert, files.key)
    return context
