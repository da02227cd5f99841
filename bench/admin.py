"""How many looks a second the admin answers: /api/status of a node with 64 partitions under 20 clients.

`python bench/admin.py [--seconds N] [--clients N]`. In the same run, under the same gunicorn settings, a bare
Falcon resource answers `pong`: the ratio says what the admin itself costs. Each answer is checked: its
status, its length, and that pictures change while they are looked at.
"""

import argparse
import json
import os
import selectors
import signal
import socket
import socketserver
import statistics
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import falcon
import msgspec

from ringmain.admin import front
from ringmain.admin.listening import listen
from ringmain.admin.server import serve
from ringmain.clock import monotonic_s
from ringmain.config.load import from_tree
from ringmain.config.schema import Config
from ringmain.control import Node, Partition, Pool, Process, Request, Ring, socket_path
from ringmain.lifecycle import pair
from ringmain.rings import Board
from ringmain.seat import Seat

PARTITIONS = 64
FLOOR_PER_S, FLOOR_P99_MS, AIM_PER_S = 500, 50, 2000


@dataclass
class Caller:
    """One client: a connection that asks again as soon as it is answered."""

    line: socket.socket
    request: bytes
    sent_s: float = 0.0
    inbox: bytearray = field(default_factory=bytearray)

    def ask(self) -> None:
        """Send one request."""
        self.sent_s = monotonic_s()
        self.line.sendall(self.request)

    def answer(self) -> bytes | None:
        """The body, once it is whole."""
        self.inbox += self.line.recv(1 << 16)
        end = self.inbox.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = bytes(self.inbox[:end])
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode(errors="replace"))
        length = int(
            next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))[15:]
        )
        if len(self.inbox) < end + 4 + length:
            return None
        body = bytes(self.inbox[end + 4 : end + 4 + length])
        del self.inbox[: end + 4 + length]
        return body


@dataclass
class Figures:
    """What a run came to."""

    per_s: float
    p50_ms: float
    p99_ms: float
    bodies: int
    bytes: int


def picture(uptime_s: float) -> Node:
    """A node with 64 partitions."""
    partitions = [
        Partition(
            "orders", "orders", n, f"feeder orders/{n}", 1000, 900, 2000, 1100, 1.5, 100.0, 11.0, "running"
        )
        for n in range(PARTITIONS)
    ]
    return Node(
        name="bench", node="here", version="", pid=1, modes=["stream-worker"], started_at_ms=0,
        uptime_s=uptime_s, state="running", ready=True, reasons=[],
        processes=[Process(f"feeder orders/{n}", "feeder", 1, "orders") for n in range(PARTITIONS)],
        pools=[Pool("orders", "orders", "", "none", 4, 4, 3, {"done": 1}, {"done": 1.0}, 0.001)],
        partitions=partitions,
        rings=[Ring("orders", f"feeder orders/{n}", 8192, 100, 0.01, 50) for n in range(PARTITIONS)],
        queues=[], peers=[],
    )  # fmt: skip


@contextmanager
def supervisor(config: Config) -> Iterator[None]:
    """Answers each look with a picture that is new."""

    class Desk(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                msgspec.json.decode(line, type=Request)
                self.wfile.write(msgspec.json.encode(picture(monotonic_s())) + b"\n")

    path = socket_path(config.runtime_dir, config.name, config.node)
    server = socketserver.ThreadingUnixStreamServer(path, Desk)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class Pong:
    """The least that Falcon can do."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = "application/json"
        resp.data = b'{"ping":"pong"}'


def bare(_seat: Seat) -> Any:
    """Falcon and nothing else."""
    app: Any = falcon.App()
    app.add_route("/pong", Pong())
    return app


@contextmanager
def served(config: Config, make: Callable[[Seat], Any]) -> Iterator[int]:
    """A server in a process of its own, as the supervisor forks it; its port."""
    listener = listen("127.0.0.1:0")
    port: int = listener.getsockname()[1]
    board = Board(4)
    board.beat(0)
    leash, link = pair()
    pid = os.fork()
    if pid == 0:
        leash.close()
        try:
            serve(Seat("admin", config, {}, board, 1, link), listener, 1, make)
        except SystemExit:
            pass
        finally:
            os._exit(0)
    listener.close()
    link.close()
    try:
        yield port
    finally:
        leash.close()
        os.waitpid(pid, 0)
        board.close()


def load(port: int, path: str, clients: int, seconds: float) -> Figures:
    """So many clients for so long."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    ears = selectors.DefaultSelector()
    callers = [
        Caller(socket.create_connection(("127.0.0.1", port), timeout=30), request) for _ in range(clients)
    ]
    for caller in callers:
        ears.register(caller.line, selectors.EVENT_READ, caller)
        caller.ask()
    took_s: list[float] = []
    bodies: set[bytes] = set()
    size = 0
    began_s = monotonic_s()
    while (now_s := monotonic_s()) - began_s < seconds:
        for key, _ in ears.select(1.0):
            if (body := key.data.answer()) is not None:
                took_s.append(monotonic_s() - key.data.sent_s)
                bodies.add(body)
                size = len(body)
                key.data.ask()
    for caller in callers:
        caller.line.close()
    cuts = statistics.quantiles(took_s, n=100)
    return Figures(len(took_s) / (now_s - began_s), cuts[49] * 1000, cuts[98] * 1000, len(bodies), size)


def main() -> int:
    """Run, check, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with tempfile.TemporaryDirectory(prefix="ringmain-bench-admin-") as name:
        found = measured(Path(name), given.clients, given.seconds, given.rounds)
    print(json.dumps(found))
    return 0 if found["per_s"] >= FLOOR_PER_S and found["p99_ms"] <= FLOOR_P99_MS else 1


def measured(folder: Path, clients: int, seconds: float, rounds: int) -> dict[str, float]:
    """Both in turn, the medians of the rounds, and their ratio."""
    tree = {
        "app": "a:b", "name": "bench", "node": "here", "runtime_dir": str(folder), "state_dir": str(folder),
        "queues": {"backend": "sqlite"}, "kafka": {"bootstrap.servers": "127.0.0.1:1", "group.id": "bench"},
        "routes": {"orders": {"topics": ["orders"], "order": "none"}},
    }  # fmt: skip
    config = from_tree(tree, folder=str(folder))
    ours: list[Figures] = []
    pongs: list[Figures] = []
    with served(config, front.admin_of) as port, served(config, bare) as bare_port, supervisor(config):
        load(port, "/api/status", clients, 0.5)
        load(bare_port, "/pong", clients, 0.5)
        for _ in range(rounds):
            ours.append(load(port, "/api/status", clients, seconds))
            pongs.append(load(bare_port, "/pong", clients, seconds))
    assert all(one.bodies > seconds for one in ours), "the picture stood still"
    for title, runs in (("/api/status", ours), ("pong", pongs)):
        for one in runs:
            times = f"p50 {one.p50_ms:5.1f} ms  p99 {one.p99_ms:5.1f} ms"
            print(f"{title:12} {one.per_s:8.0f}/s  {times}  {one.bytes} bytes")
    per_s = statistics.median(one.per_s for one in ours)
    pong_per_s = statistics.median(one.per_s for one in pongs)
    p99_ms = statistics.median(one.p99_ms for one in ours)
    print(f"ratio to a bare Falcon resource: {per_s / pong_per_s:.2f} (aim {AIM_PER_S}/s)")
    return {"per_s": per_s, "p99_ms": p99_ms, "pong_per_s": pong_per_s, "ratio": per_s / pong_per_s}


if __name__ == "__main__":
    sys.exit(main())
