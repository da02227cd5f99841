"""A node that stands still: it answers on a real control socket or over real HTTP what a test puts into it.

Tests of commands that ask a running node enter. What it was asked is kept.
"""

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

from ringmain.control import Done, Look, Node, Refused, Reply, Request, socket_path
from support.pictures import node


class Standing:
    """What it answers, and what it was asked."""

    def __init__(self) -> None:
        self.picture: Node = node()
        self.reply: Reply = Done("done: it is so")
        self.asked: list[Request] = []
        self.seen: list[tuple[str, str, Any, str]] = []
        """Over HTTP: method, path, body, authorization."""
        self.pages: dict[tuple[str, str], tuple[int, str, bytes]] = {}
        """What another server would say: (method, path) -> status, content type, body."""

    @property
    def acts(self) -> list[Request]:
        """What it was asked to do, without the looks."""
        return [one for one in self.asked if not isinstance(one, Look)]

    def answer(self, request: Request) -> Reply:
        """The answer to this."""
        self.asked.append(request)
        return self.picture if isinstance(request, Look) else self.reply


@contextmanager
def on_socket(runtime_dir: Path, name: str = "shop", node_name: str = "here") -> Iterator[Standing]:
    """It listens as node `node_name` of `name`."""
    standing = Standing()

    class Desk(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            decode = msgspec.json.Decoder(Request).decode
            for line in self.rfile:
                self.wfile.write(msgspec.json.encode(standing.answer(decode(line))) + b"\n")

    runtime_dir.mkdir(parents=True, exist_ok=True)
    server = socketserver.ThreadingUnixStreamServer(socket_path(str(runtime_dir), name, node_name), Desk)
    server.daemon_threads = True
    with _serving(server):
        yield standing


@contextmanager
def on_http(token: str = "") -> Iterator[tuple[str, Standing]]:
    """Its URL, and it; with a token it refuses who does not send it."""
    standing = Standing()

    class Admin(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            self._answer(json.loads(self.rfile.read(length) or b"{}"))

        def _answer(self, body: Any) -> None:
            given = self.headers.get("Authorization", "")
            standing.seen.append((self.command, self.path, body, given))
            if token and given != f"Bearer {token}":
                self._say(
                    401, "application/json", b'{"title":"401 Unauthorized","description":"a token is needed"}'
                )
            elif page := standing.pages.get((self.command, self.path)):
                self._say(*page)
            elif self.path == "/api/picture":
                self._say(200, "application/json", msgspec.json.encode(standing.picture))
            else:
                self._say_reply(standing.reply)

        def _say_reply(self, reply: Reply) -> None:
            code = 200 if isinstance(reply, Done) else 404 if getattr(reply, "unknown", False) else 409
            said = {"title": "no", "description": reply.reason} if isinstance(reply, Refused) else reply
            self._say(code, "application/json", msgspec.json.encode(said))

        def _say(self, code: int, kind: str, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if 300 <= code < 400:
                self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """A test's output is its own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Admin)
    with _serving(server):
        yield f"http://127.0.0.1:{server.server_address[1]}", standing


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    serve: Callable[[], None] = lambda: server.serve_forever(poll_interval=0.02)  # noqa: E731
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
