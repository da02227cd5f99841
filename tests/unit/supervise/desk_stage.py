"""A desk under test: real sockets, a real epoll, and the loop's turn in a thread that the test can stop."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import msgspec

from ringmain import clock, control
from ringmain.config.load import from_tree
from ringmain.supervise.commands import Answer, Commands, Later
from ringmain.supervise.desk import Desk
from ringmain.supervise.memory import Memory
from ringmain.supervise.nursery import Nursery

TREE = {
    "app": "orders:app",
    "name": "shop",
    "node": "n1",
    "kafka": {"bootstrap.servers": "127.0.0.1:1", "group.id": "shop"},
    "queues": {"backend": "sqlite"},
    "routes": {"orders": {"topics": ["t"], "order": "none", "handlers": 1, "consumers": 1}},
    "ring": {"messages": 16, "bytes": "64KiB"},
}
DONE = control.Done("resumed")


class Stage:
    """A desk whose commands are the test's own."""

    def __init__(self, directory: Path) -> None:
        config = from_tree({**TREE, "state_dir": str(directory), "runtime_dir": str(directory)})
        self.path = control.socket_path(config.runtime_dir, config.name, config.node)
        self.commands = Commands()
        self.asked: list[control.Request] = []
        self.later = Later()
        self.commands.register(control.Look, self._look)
        self.commands.register(control.Resume, self._resume)
        self.commands.register(control.Seek, self._seek)
        self.commands.register(control.Scale, self._fail)
        self._memory = Memory(config)
        self._nursery = Nursery(self._memory, {}, lambda: None)
        self.desk = Desk(self.path, self._nursery, self.commands)
        self.turns = 0
        self._goes_on = True
        self._thread = threading.Thread(target=self._loop)
        self._thread.start()

    def _look(self, request: control.Look) -> Answer:
        self.asked.append(request)
        return msgspec.json.encode(control.Done("x" * 200_000))

    def _resume(self, request: control.Resume) -> Answer:
        self.asked.append(request)
        return DONE

    def _seek(self, request: control.Seek) -> Answer:
        self.asked.append(request)
        return self.later

    def _fail(self, request: control.Scale) -> Answer:
        raise ValueError("a mistake of ours")

    def _loop(self) -> None:
        while self._goes_on:
            self._nursery.wait(0.02)
            self.desk.serve(clock.monotonic_s())
            self.turns += 1

    @contextlib.contextmanager
    def client(self) -> Iterator[socket.socket]:
        """A connection that the test does with as it likes."""
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as sock:
            sock.settimeout(10)
            sock.connect(self.path)
            yield sock

    def __enter__(self) -> "Stage":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._goes_on = False
        self._thread.join()
        self.desk.close()
        self._nursery.close()
        self._memory.close()


def read_line(sock: socket.socket) -> bytes:
    """One line, or what there was of it when the other side hung up."""
    read = b""
    with contextlib.suppress(ConnectionResetError):
        while not read.endswith(b"\n"):
            piece = sock.recv(1 << 16)
            if not piece:
                break
            read += piece
    return read


def reply(line: bytes) -> control.Reply:
    """The reply in a line."""
    decoded: control.Reply = msgspec.json.decode(line, type=control.Reply)
    return decoded
