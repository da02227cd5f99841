"""The admin of a node whose supervisor is a test: the real HTTP side over a real dead set, any picture.

tests/browser/ enters; `python -m support.admin_stage CONFIG` is the process of the admin's own role. What is
asked of the supervisor travels over a real control socket and is kept, to be compared: 64 partitions that
misbehave when a test wants them to would need a cluster.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import msgspec

from ringmain.admin import role
from ringmain.config.load import load
from ringmain.config.schema import Config
from ringmain.control import Done, Look, Node, Reply, Request, socket_path
from ringmain.lifecycle import pair
from ringmain.queues import names
from ringmain.queues.connect import connect
from ringmain.queues.envelope import Envelope
from ringmain.queues.filters import Filter
from ringmain.rings import Board
from ringmain.seat import Seat
from support.environment import child_environment
from support.ports import free_port
from support.queue_backends import publish
from support.sources import CHECKOUT
from support.waiting import eventually

CONFIG = """
app = "shop:app"
name = "billing"
node = "web-1"
modes = ["api-server", "management-api"]
runtime_dir = "{folder}/run"
state_dir = "{folder}/state"
admin.bind = "127.0.0.1:{port}"
{more}
kafka."bootstrap.servers" = "127.0.0.1:1"
queues.backend = "sqlite"
queues.path = "{folder}/queues.db"
[routes.orders]
topics = ["orders"]
order = "none"
handlers = 4
channels.review.handlers = 1
kafka."group.id" = "orders"
[routes.refunds]
topics = ["refunds"]
order = "key"
kafka."group.id" = "refunds"
"""


class Supervisor:
    """What listens on the control socket: shows `picture`, keeps what it is asked for, answers `reply`."""

    def __init__(self, path: str, picture: Node) -> None:
        self.picture: Node | None = picture
        self.asked: list[Request] = []
        self.reply: Reply = Done("so be it")
        self._path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Nobody answers any more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        Path(self._path).unlink(missing_ok=True)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        # Who asked may be gone before its answer, or before it asks again.
        with client, client.makefile("rb") as lines, suppress(ConnectionError):
            for line in lines:
                reply = self._reply_to(msgspec.json.decode(line, type=Request))
                if reply is None:
                    return
                client.sendall(msgspec.json.encode(reply) + b"\n")

    def _reply_to(self, request: Request) -> Reply | None:
        if isinstance(request, Look):
            return self.picture
        self.asked.append(request)
        return self.reply


class Stage:
    """An admin under way."""

    def __init__(self, config: Config, supervisor: Supervisor) -> None:
        self.config, self.supervisor = config, supervisor
        self.url = f"http://{config.admin.bind}"
        self.queues = connect(config)

    def die(self, dead: Iterable[Envelope], route: str = "orders", channel: str = "") -> None:
        """Put these into the dead set."""
        with closing(self.queues.publisher()) as publisher:
            publish(publisher, names.dead(self.config.name, route, channel), dead)

    def ready(self, route: str = "orders") -> list[Envelope]:
        """What waits to be handled once more."""
        with closing(self.queues.taker([names.ready(self.config.name, route)])) as taker:
            taker.pump()
            taken = taker.take(1000)
            return [one.envelope for one in taken if isinstance(one.envelope, Envelope)]

    def dead(self) -> int:
        """How many are dead."""
        with closing(self.queues.dead_set()) as dead_set:
            return sum(count.messages for count in dead_set.summary(Filter(), []))


@contextmanager
def staged(folder: Path, picture: Node, more: str = "") -> Iterator[Stage]:
    """An admin of its own for one test; `more` = further lines of its config."""
    path = folder / "ringmain.toml"
    (folder / "run").mkdir(parents=True)
    path.write_text(CONFIG.format(folder=folder, port=free_port(), more=more))
    config = load(path)
    supervisor = Supervisor(socket_path(config.runtime_dir, config.name, config.node), picture)
    with open(folder / "admin.log", "wb") as log:
        admin = subprocess.Popen(
            [sys.executable, "-m", "support.admin_stage", str(path)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=child_environment(PYTHONPATH=_paths()),
        )  # fmt: skip
    try:
        eventually(lambda: _answers(config, folder / "admin.log"), 30)
        yield Stage(config, supervisor)
    finally:
        admin.terminate()
        admin.wait()
        supervisor.close()


def _paths() -> str:
    return os.pathsep.join([str(CHECKOUT / "daemon"), str(CHECKOUT / "tests")])


def _answers(config: Config, log: Path) -> bool:
    try:
        with closing(http.client.HTTPConnection(config.admin.bind, timeout=5)) as connection:
            connection.request("GET", "/ping")
            return connection.getresponse().status == 200
    except OSError:
        raise AssertionError(f"its log: {log.read_text()}") from None


def main() -> int:
    """The admin's process."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    leash, link = pair()
    with closing(Board(2)) as board, closing(leash):
        board.beat(0)
        return role.run(Seat("admin", load(sys.argv[1]), {}, board, 1, link))


if __name__ == "__main__":
    sys.exit(main())
