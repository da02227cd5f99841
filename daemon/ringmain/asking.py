"""Asks a running node over its control socket and waits for the answers: a line out, a line back.

The command line and admin enter; both may block. Nothing is retried here: whether a question may be put twice
is the asker's to know.
"""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ringmain import clock
from ringmain.control import Reply, Request
from ringmain.errors import NoAnswer

LOOK_S = 5.0
"""For a picture: the supervisor answers between two rounds of its loop."""
ACT_S = 60.0
"""For an act: a seek waits for what executes, `revoke_s` at most."""
RELOAD_S = 180.0
"""For a reload: its probe imports the app."""

LONGEST_REPLY_BYTES = 64 << 20

_CHUNK = 1 << 16
_LONGEST_ADDRESS = 100
"""The kernel's own limit is 107 bytes."""
_decoder: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)
_encode = msgspec.json.Encoder().encode


class Line:
    """One connection, for one thread at a time; made when somebody listens, of no more use after NoAnswer."""

    def __init__(self, path: str, timeout_s: float = ACT_S) -> None:
        self._path, self._timeout_s = path, timeout_s
        self._read = bytearray()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        try:
            with address(path) as short:
                self._socket.connect(short)
        except OSError as error:
            self._socket.close()
            raise NoAnswer(path, error.strerror or str(error)) from None

    def ask(self, request: Request) -> Reply:
        """The node's answer."""
        line = self.ask_line(_encode(request))
        try:
            return _decoder.decode(line)
        except msgspec.DecodeError as error:
            raise NoAnswer(self._path, f"what answers is of another version: {error}") from None

    def ask_line(self, request: bytes) -> bytes:
        """The same in JSON as it travels, without its line ends."""
        try:
            self._socket.sendall(request + b"\n")
            return self._next_line(clock.monotonic_s() + self._timeout_s)
        except TimeoutError:
            raise NoAnswer(self._path, f"what listens is silent for {self._timeout_s:g} s") from None
        except OSError as error:
            raise NoAnswer(self._path, error.strerror or str(error)) from None

    def _next_line(self, deadline_s: float) -> bytes:
        while not self._read.endswith(b"\n"):  # an answer is the only line under way
            if (left_s := deadline_s - clock.monotonic_s()) <= 0:
                raise TimeoutError
            self._socket.settimeout(left_s)
            arrived = self._socket.recv(_CHUNK)
            if not arrived:
                raise NoAnswer(self._path, "the node ended before it had answered")
            self._read += arrived
            if len(self._read) > LONGEST_REPLY_BYTES:
                raise NoAnswer(self._path, f"the answer is longer than {LONGEST_REPLY_BYTES} bytes")
        line, self._read = bytes(self._read[:-1]), bytearray()
        return line

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def ask(path: str, request: Request, timeout_s: float = ACT_S) -> Reply:
    """The node's answer, on a connection of its own; NoAnswer when there is none in time, and why."""
    with contextlib.closing(Line(path, timeout_s)) as line:
        return line.ask(request)


def ask_line(path: str, request: bytes, timeout_s: float = ACT_S) -> bytes:
    """The same in JSON as it travels, for whoever passes it on as it is."""
    with contextlib.closing(Line(path, timeout_s)) as line:
        return line.ask_line(request)


@contextlib.contextmanager
def address(path: str) -> Iterator[str]:
    """A spelling of the path that fits into a socket's address, however deep its directory is."""
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
        yield path
        return
    directory = os.open(Path(path).parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{Path(path).name}"
    finally:
        os.close(directory)
