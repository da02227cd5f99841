"""The desk: where operators are heard. A socket in the runtime directory, served from the supervisor's loop.

The loop enters at each turn; what is asked goes to commands.py. Nothing here waits, and nothing that a client
does, or does not do, holds up the loop: clients, lines, answers and work in one turn are limited.
"""

import contextlib
import os
import select
import socket
from pathlib import Path

import msgspec

from ringmain.asking import address
from ringmain.control import MOST_LINE_BYTES, Refused, Reply, Request
from ringmain.errors import RingmainError
from ringmain.supervise.commands import Commands, Later
from ringmain.supervise.nursery import Nursery

MOST_CLIENTS = 64
"""One more, and whoever has been still the longest has to go."""
MOST_IN_A_TURN = 16
SLOW_S = 30.0
"""Longest standstill in the middle of a line or of an answer."""
LOOK_S = 2.0
_PIECE_BYTES = 1 << 16
_request: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)


class Client:
    """One connection: what has come of a line, what has to go of an answer."""

    def __init__(self, sock: socket.socket, now_s: float) -> None:
        sock.setblocking(False)
        self.socket = sock
        self.inbox = bytearray()
        self.outbox = b""
        self.later: Later | None = None
        self.heard_out = False
        """It sends nothing more."""
        self.leaving = False
        """It is hung up on when its answer has gone."""
        self.moved_s = now_s

    @property
    def has_line(self) -> bool:
        """Whether something it asked has not been looked at."""
        return b"\n" in self.inbox

    @property
    def in_the_middle(self) -> bool:
        """Whether it owes us the rest of a line, or has not taken all of its answer."""
        return bool(self.outbox or self.inbox)

    @property
    def is_through(self) -> bool:
        """Whether there is nothing left to do for it."""
        done = not self.outbox and self.later is None
        return done and (self.leaving or (self.heard_out and not self.has_line))

    def wants(self) -> int:
        """epoll's events that it should be looked at for."""
        if self.later is not None:
            return 0
        if self.outbox or self.has_line:
            return select.EPOLLOUT
        return select.EPOLLIN

    def receive(self) -> None:
        """What has come."""
        try:
            piece = self.socket.recv(_PIECE_BYTES)
        except BlockingIOError:
            return
        self.inbox += piece
        self.heard_out = not piece

    def take_line(self) -> bytes:
        """The next line; the caller has seen that there is one."""
        line, _, rest = self.inbox.partition(b"\n")
        self.inbox = rest
        return bytes(line)

    def send(self) -> None:
        """As much of the answer as fits."""
        with contextlib.suppress(BlockingIOError):
            self.outbox = self.outbox[self.socket.send(self.outbox) :]


class Desk:
    """Listens from when it is made until `close`."""

    def __init__(self, path: str, nursery: Nursery, commands: Commands) -> None:
        self._path, self._nursery, self._commands = path, nursery, commands
        self._clients: dict[int, Client] = {}
        self._listener = _listen(path)
        nursery.heed(self._listener.fileno())
        nursery.partings.append(self._part)

    def serve(self, now_s: float) -> float:
        """Hear and answer whoever is ready; returns when slow ones have to be looked at."""
        if self._listener.fileno() in self._nursery.ready:
            self._accept(now_s)
        for number, client in list(self._clients.items()):
            events = self._nursery.ready.get(number, 0)
            answered = client.later is not None and client.later.reply is not None
            if events or answered:
                self._move(client, events, now_s)
            elif client.in_the_middle and client.later is None and now_s - client.moved_s > SLOW_S:
                self._hang_up(client)
        return now_s + LOOK_S if self._clients else float("inf")

    def _accept(self, now_s: float) -> None:
        for _ in range(MOST_IN_A_TURN):
            try:
                sock, _address = self._listener.accept()
            except OSError:  # nobody is waiting any more, or there are no descriptors: they wait
                return
            if len(self._clients) >= MOST_CLIENTS:
                self._hang_up(min(self._clients.values(), key=lambda client: client.moved_s))
            self._clients[sock.fileno()] = Client(sock, now_s)
            self._nursery.heed(sock.fileno())

    def _move(self, client: Client, events: int, now_s: float) -> None:
        if events & (select.EPOLLHUP | select.EPOLLERR) and not events & select.EPOLLIN:
            self._hang_up(client)  # it is gone; what it asked for goes on
            return
        client.moved_s = now_s
        try:
            self._talk(client, events)
        except OSError:
            client.leaving, client.outbox, client.later = True, b"", None
        if client.is_through:
            self._hang_up(client)
        else:
            self._nursery.heed_for(client.socket.fileno(), client.wants())

    def _talk(self, client: Client, events: int) -> None:
        if events & select.EPOLLIN:
            client.receive()
        if client.later is not None and client.later.reply is not None:
            reply, client.later = client.later.reply, None
            self._commands.note()
            self._answer(client, reply)
        client.send()
        for _ in range(MOST_IN_A_TURN):
            if client.outbox or client.later is not None or client.leaving or not client.has_line:
                break
            self._obey(client, client.take_line())
            client.send()
        if not client.has_line and len(client.inbox) > MOST_LINE_BYTES:
            self._refuse(client, f"a line has at most {MOST_LINE_BYTES} bytes")

    def _obey(self, client: Client, line: bytes) -> None:
        if len(line) > MOST_LINE_BYTES:
            self._refuse(client, f"a line has at most {MOST_LINE_BYTES} bytes")
            return
        try:
            request = _request.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._refuse(client, f"not a request: {error}")
            return
        answer = self._commands.obey(request)
        if isinstance(answer, Later) and answer.reply is None:
            client.later = answer
        else:
            self._answer(client, answer.reply if isinstance(answer, Later) else answer)

    def _refuse(self, client: Client, reason: str) -> None:
        """Garbage: whoever sends it is not one of ours, or has lost the thread."""
        client.inbox.clear()
        client.leaving = True
        self._answer(client, Refused(reason))

    def _answer(self, client: Client, reply: Reply | bytes | None) -> None:
        line = reply if isinstance(reply, bytes) else msgspec.json.encode(reply)
        client.outbox = line + b"\n"

    def _hang_up(self, client: Client) -> None:
        number = client.socket.fileno()
        del self._clients[number]
        self._nursery.ignore(number)
        client.socket.close()

    def _part(self) -> None:
        """In a child: the desk is the supervisor's."""
        self._listener.close()
        for client in self._clients.values():
            client.socket.close()

    def close(self) -> None:
        """Nobody is heard any more; those who wait are told so."""
        with contextlib.suppress(OSError):
            os.unlink(self._path)
        for client in list(self._clients.values()):
            with contextlib.suppress(OSError):
                if client.later is not None:
                    self._answer(client, client.later.reply or Refused("the node has stopped"))
                client.send()
            self._hang_up(client)
        self._nursery.ignore(self._listener.fileno())
        self._listener.close()


def _listen(path: str) -> socket.socket:
    """A socket that only this user may connect to. One that is there already was left by the dead: the lock
    proves that nobody else lives here."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    before = os.umask(0o177)
    try:
        Path(path).unlink(missing_ok=True)
        with address(path) as short:
            listener.bind(short)
        listener.listen(MOST_CLIENTS)
    except OSError as error:
        listener.close()
        why = f"{error.strerror or error}: set runtime_dir to another place"
        raise RingmainError(f"{path}: {why}") from error
    finally:
        os.umask(before)
    return listener
