"""Asks a running node one thing over its control socket and waits for the answer.

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
from ringmain.errors import NothingAnswers

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


def ask(path: str, request: Request, timeout_s: float = ACT_S) -> Reply:
    """The node's answer; NothingAnswers when there is none within `timeout_s`, and why."""
    line = ask_line(path, _encode(request), timeout_s)
    try:
        return _decoder.decode(line)
    except msgspec.DecodeError as error:
        raise NothingAnswers(f"what answers at {path} is of another version: {error}") from None


def ask_line(path: str, request: bytes, timeout_s: float = ACT_S) -> bytes:
    """The same in JSON as it travels, without its line ends: for whoever passes it on as it is."""
    deadline_s = clock.monotonic_s() + timeout_s
    try:
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as line:
            line.settimeout(timeout_s)
            with address(path) as short:
                line.connect(short)
            line.sendall(request + b"\n")
            return _first_line(line, deadline_s)
    except TimeoutError:
        raise NothingAnswers(f"what listens at {path} does not answer within {timeout_s:g} s") from None
    except OSError as error:
        raise NothingAnswers(f"nothing answers at {path}: {error.strerror or error}") from None


def _first_line(line: socket.socket, deadline_s: float) -> bytes:
    read = bytearray()
    while not read.endswith(b"\n"):
        if (left_s := deadline_s - clock.monotonic_s()) <= 0:
            raise TimeoutError
        line.settimeout(left_s)
        arrived = line.recv(_CHUNK)
        if not arrived:
            raise ConnectionResetError(0, "the node ended before it had answered")
        read += arrived
        if len(read) > LONGEST_REPLY_BYTES:
            raise ConnectionAbortedError(0, f"the answer is longer than {LONGEST_REPLY_BYTES} bytes")
    return bytes(read[:-1])


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
