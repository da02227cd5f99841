"""One TCP or TLS stream to the broker: bytes out, bytes in, never waiting.

connection.py enters. Every method returns at once; OSError (ssl's errors are OSErrors) says that the stream
is over. `fileno` is an epoll over the socket: readable when there is something to read, and also when there
is room again for what could not be written, so that the owner's loop waits for one descriptor alone.
"""

import os
import select
import socket
import ssl
from collections import deque
from collections.abc import Sequence
from typing import Any

_READ_BYTES = 1 << 18
_AT_ONCE_BYTES = 1 << 22
_IN_PROGRESS = (0, 115)
_WAIT = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

SocketAddress = tuple[int, Any]
"""A family and what `connect` takes."""


def resolve(host: str, port: int) -> list[SocketAddress]:
    """The host's addresses. Asks the resolver, which may wait for a name server: the one call that can."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError(f"{host!r} is not the name of a host") from None
    return [(int(family), where) for family, _, _, _, where in found]


class Wire:
    """A stream, from the first step of its connect on."""

    def __init__(self, where: SocketAddress, context: ssl.SSLContext | None, host: str) -> None:
        self._epoll = select.epoll()
        family, target = where
        raw = socket.socket(family, socket.SOCK_STREAM)
        raw.setblocking(False)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._raw = raw
        self._tls: ssl.SSLSocket | None = None
        self._context, self._host = context, host
        self._out: deque[memoryview] = deque()
        self._is_up = False
        self._is_shaking = False
        self._mask = select.EPOLLIN | select.EPOLLOUT
        self._epoll.register(raw, self._mask)
        code = raw.connect_ex(target)
        if code not in _IN_PROGRESS:
            self.close()
            raise OSError(code, os.strerror(code))

    def fileno(self) -> int:
        """Readable when there is something to do here."""
        return self._epoll.fileno()

    def is_up(self) -> bool:
        """Take the next step of connect and TLS handshake; True once bytes go through."""
        if self._is_up:
            return True
        if not self._is_shaking:
            if not self._is_connected():
                return False
            self._begin_tls()
        if self._tls is not None and not self._shake_hands():
            return False
        self._is_up = True
        self._watch()
        return True

    def send(self, pieces: Sequence[bytes]) -> None:
        """Queue and write what goes now; the rest goes by `flush`."""
        data = b"".join(pieces)
        if data:
            self._out.append(memoryview(data))
            self.flush()

    def flush(self) -> None:
        """Write as much as goes now."""
        stream = self._tls or self._raw
        try:
            while self._out:
                sent = stream.send(self._out[0])
                if sent == len(self._out[0]):
                    self._out.popleft()
                else:
                    self._out[0] = self._out[0][sent:]
        except _WAIT:
            pass
        self._watch()

    @property
    def unsent(self) -> bool:
        """Is something queued that the socket did not take yet?"""
        return bool(self._out)

    def receive(self) -> bytes:
        """What came since; b"" = nothing. The end of the stream is a ConnectionError."""
        pieces: list[bytes] = []
        stream, size = self._tls or self._raw, 0
        try:
            while size < _AT_ONCE_BYTES:
                piece = stream.recv(_READ_BYTES)
                if not piece:
                    if pieces:
                        break  # what came before the end is heard first
                    raise ConnectionResetError("the connection was closed by the other side")
                pieces.append(piece)
                size += len(piece)
        except _WAIT:
            pass
        except OSError:
            if not pieces:
                raise
        return b"".join(pieces)

    def close(self) -> None:
        """Let go."""
        self._out.clear()
        self._epoll.close()
        (self._tls or self._raw).close()

    def _is_connected(self) -> bool:
        poll = select.poll()
        poll.register(self._raw, select.POLLOUT)
        if not poll.poll(0):
            return False
        code = self._raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        return True

    def _begin_tls(self) -> None:
        self._is_shaking = True
        if self._context is not None:
            self._tls = self._context.wrap_socket(
                self._raw, server_hostname=self._host, do_handshake_on_connect=False
            )

    def _shake_hands(self) -> bool:
        assert self._tls is not None
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._interest(select.EPOLLIN)
            return False
        except ssl.SSLWantWriteError:
            self._interest(select.EPOLLIN | select.EPOLLOUT)
            return False
        return True

    def _watch(self) -> None:
        self._interest(select.EPOLLIN | (select.EPOLLOUT if self._out else 0))

    def _interest(self, mask: int) -> None:
        if mask != self._mask:
            self._mask = mask
            self._epoll.modify(self._tls or self._raw, mask)
