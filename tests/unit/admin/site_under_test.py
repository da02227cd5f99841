"""The admin's WSGI app of one worker, over a supervisor that is the test: a real socket, real memory."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from falcon import testing

from ringmain.admin import front
from ringmain.config.load import from_tree
from ringmain.config.schema import Config
from ringmain.control import Done, Look, Node, Reply, Request, socket_path
from ringmain.lifecycle import pair
from ringmain.rings import Board, Geometry, Segment, bell
from ringmain.seat import Seat
from support.pictures import node

LOCAL = {"Host": "127.0.0.1:8100"}


class Answering:
    """The supervisor: what it shows, what it says to an act, what it was asked."""

    def __init__(self) -> None:
        self.picture: Node = node()
        self.reply: Reply = Done("done: it is so", ["one line"])
        self.looks = 0
        self.acts: list[Request] = []

    def answer(self, request: Request) -> Reply:
        """A picture, or `reply`."""
        if isinstance(request, Look):
            self.looks += 1
            return self.picture
        self.acts.append(request)
        return self.reply


@contextmanager
def answering(config: Config) -> Iterator[Answering]:
    """It listens where the node's supervisor would."""
    supervisor = Answering()

    class Desk(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                reply = supervisor.answer(msgspec.json.decode(line, type=Request))
                self.wfile.write(msgspec.json.encode(reply) + b"\n")

    Path(config.runtime_dir).mkdir(parents=True, exist_ok=True)
    path = socket_path(config.runtime_dir, config.name, config.node)
    server = socketserver.ThreadingUnixStreamServer(path, Desk)
    server.daemon_threads = True
    thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
    thread.start()
    try:
        yield supervisor
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        Path(path).unlink()


def config_in(folder: Path, **tables: Any) -> Config:
    """A node of `shop` with two routes."""
    tree: dict[str, Any] = {
        "app": "orders:app", "name": "shop", "node": "here", "state_dir": str(folder / "state"),
        "runtime_dir": str(folder / "run"), "kafka": {"bootstrap.servers": "127.0.0.1:1", "group.id": "shop"},
        "queues": {"backend": "sqlite", "path": str(folder / "queues.db")},
        "routes": {"orders": {"topics": ["orders"], "order": "none", "channels": {"slow": {}}}},
    }  # fmt: skip
    return from_tree({**tree, **tables}, folder=str(folder))


@contextmanager
def seat_of(config: Config, **changes: Any) -> Iterator[Seat]:
    """A seat with real memory."""
    courier, board = bell(), Board(4)
    segment = Segment.create(Geometry.for_pool(2, 2, 64, 1 << 20), courier)
    leash, link = pair()
    board.beat(0)
    try:
        yield Seat("admin", config, {"orders": segment}, board, 1, link, **changes)
    finally:
        leash.close()
        link.close()
        segment.close()


class Client:
    """Asks the app; hostile or not, the answer is checked to be JSON with the headers of all answers."""

    def __init__(self, seat: Seat, make: Any = front.admin_of) -> None:
        self._client = testing.TestClient(make(seat), headers=LOCAL)

    def ask(self, method: str, path: str, **more: Any) -> testing.Result:
        """The answer."""
        return self._client.simulate_request(method, path, **more)

    def get(self, path: str, **more: Any) -> testing.Result:
        """GET."""
        return self.ask("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> testing.Result:
        """POST with this as JSON."""
        return self.ask("POST", path, json={} if body is None else body, **more)
