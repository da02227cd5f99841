"""A whole daemon whose Kafka is away: what its admin says and does is real all the same."""

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import psutil  # type: ignore[import-untyped]

from support import signals
from support.environment import child_environment
from support.ports import free_port
from support.waiting import eventually

ENTRY = "import sys; from ringmain.cli import main; sys.exit(main())"
APP = """
import falcon
from ringmain import App
app = App()

@app.route("orders")
def handle(order: dict) -> None: ...

class Hello:
    def on_get(self, req, resp):
        resp.media = {"hello": "world"}
    def on_post(self, req, resp):
        raise RuntimeError("inside")

app.mount("/hello", Hello(), public=True)
"""
START_S, STOP_S = 40.0, 30.0


class Said(NamedTuple):
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)


class AdminNode:
    """`ringmain run` and its admin."""

    def __init__(self, folder: Path, **tables: Any) -> None:
        self.folder = folder
        self.port = int(tables.pop("port", 0)) or free_port()
        admin = {"bind": f"127.0.0.1:{self.port}", **tables.pop("admin", {})}
        tree = {
            "app": "orders:app", "name": "shop", "node": "here", "state_dir": "state", "runtime_dir": "run",
            "kafka": {"bootstrap.servers": "127.0.0.1:1", "group.id": "shop"},
            "queues": {"backend": "sqlite"},
            "routes": {"orders": {"topics": ["orders"], "order": "none", "handlers": 1, "consumers": 1}},
            "log": {"format": "json"}, "stop_s": 10, "admin": admin, **tables,
        }  # fmt: skip
        (folder / "orders.py").write_text(APP)
        (folder / "shop.toml").write_text(_toml(tree))
        with open(folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", ENTRY, "run", str(folder / "shop.toml")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=child_environment(),
            )  # fmt: skip

    def log(self, event: str = "") -> list[dict[str, Any]]:
        """Its lines, of one event if given."""
        lines = (self.folder / "log").read_bytes().splitlines()
        found = [json.loads(line) for line in lines if line.startswith(b"{") and line.endswith(b"}")]
        return [line for line in found if event in ("", line["event"])]

    def until_up(self, token: str = "") -> "AdminNode":
        """Until it answers with a picture."""
        eventually(lambda: self._answers(token), START_S, "an admin that answers")
        return self

    def _answers(self, token: str) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError("it ended: " + (self.folder / "log").read_text()[-3000:])
        try:
            return self.get("/api/status", Authorization=f"Bearer {token}").status == 200
        except OSError:
            return False

    def ask(self, method: str, path: str, body: Any = None, port: int = 0, **headers: str) -> Said:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=30)
        content = None if body is None else json.dumps(body).encode()
        said = {"Content-Type": "application/json"} if content is not None else {}
        try:
            connection.request(method, path, content, said | headers)
            answer = connection.getresponse()
            return Said(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Said:
        """GET."""
        return self.ask("GET", path, **headers)

    def raw(self, request: bytes, longest_s: float = 30.0) -> bytes:
        """What comes back for these bytes until it hangs up."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=longest_s) as line:
            line.sendall(request)
            with contextlib.suppress(OSError):  # it has hung up already
                line.shutdown(socket.SHUT_WR)
            return _all_of(line)

    def processes(self, title: str) -> list[int]:
        """Process ids below the supervisor whose titles begin so."""
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if " ".join(child.cmdline()).strip().startswith(f"ringmain: shop {title}"):
                    found.append(child.pid)
            except psutil.NoSuchProcess:
                continue
        return sorted(found)

    def stop(self) -> int:
        """A graceful stop and its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)

    def end(self) -> None:
        """Whatever it takes."""
        if self.process.poll() is None:
            signals.send(self.process.pid, signal.SIGKILL)
        self.process.wait(STOP_S)


def _all_of(line: socket.socket) -> bytes:
    found = b""
    while piece := line.recv(1 << 16):
        found += piece
    return found


def _toml(tree: dict[str, Any]) -> str:
    plain = [f"{name} = {json.dumps(value)}" for name, value in tree.items() if not isinstance(value, dict)]
    tables = [f"{name} = {{ {_inline(value)} }}" for name, value in tree.items() if isinstance(value, dict)]
    return "\n".join([*plain, *tables]) + "\n"


def _inline(table: dict[str, Any]) -> str:
    return ", ".join(
        f'"{name}" = {{ {_inline(value)} }}' if isinstance(value, dict) else f'"{name}" = {json.dumps(value)}'
        for name, value in table.items()
    )
