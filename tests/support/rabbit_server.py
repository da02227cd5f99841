"""A real RabbitMQ for tests and benches: one node on loopback, stopped, killed, alarmed and started again.

conftest.py, the contract tests and bench/ enter. Each has a name, ports, data, cookie and epmd of its own, so
that nothing is shared with a RabbitMQ of this machine, and all of it dies with the process that started it.
"""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

from support import signals
from support.kafka_jars import ServerUnavailable
from support.ports import free_ports
from support.waiting import eventually

SCRIPTS = Path("/usr/lib/rabbitmq/bin")
"""Debian's own; those in /usr/sbin change to the user of the system's RabbitMQ."""
START_DEADLINE_S = 90.0
USER, PASSWORD = "guest", "guest"
_USERS, _ACTING = "rabbit_auth_backend_internal", '<<"tests">>'

# Small and quick counts here; a bench passes its own.
ERLANG = "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"
BENCH_ERLANG = "+sbwt none +sbwtdcpu none +sbwtdio none"

CONFIG: Mapping[str, object] = {
    "disk_free_limit.absolute": "50MB",
    "vm_memory_high_watermark.relative": 0.6,
    "log.file.level": "info",
    "collect_statistics_interval": 60000,
    "heartbeat": 60,
    # Its modules are loaded from disk with the first connection.
    "handshake_timeout": 60000,
}


class RabbitServer:
    """One node on one data directory and one port, however often it is stopped and started."""

    def __init__(
        self, directory: Path, config: Mapping[str, object] | None = None, erlang: str = ERLANG
    ) -> None:
        if not (SCRIPTS / "rabbitmq-server").exists() or shutil.which("epmd") is None:
            raise ServerUnavailable("RabbitMQ is not installed: tests/run does it (rabbitmq-server)")
        self.directory = directory
        self.port, dist_port, self._epmd_port = free_ports(3)
        self._node = f"ringmain-{uuid.uuid4().hex[:10]}@localhost"
        self._process: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None
        self._harmed = False
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "home").mkdir(exist_ok=True)
        (directory / "enabled_plugins").write_text("[].\n")
        settings = {**CONFIG, **(config or {})}
        self._guarded = [str(settings[key]) for key in settings if key.startswith("listeners.ssl.")]
        lines = [f"{key} = {value}\n" for key, value in settings.items()]
        own = f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
        (directory / "rabbitmq.conf").write_text(own + "".join(lines))
        self._environment = self._made_environment(dist_port, erlang)

    @property
    def url(self) -> str:
        """As `queues.url` takes it."""
        return f"amqp://127.0.0.1:{self.port}/%2F"

    @property
    def pid(self) -> int:
        assert self._process is not None, "RabbitMQ is not running"
        return self._process.pid

    @property
    def epmd_pid(self) -> int:
        assert self._epmd is not None, "RabbitMQ was never started"
        return self._epmd.pid

    def start(self) -> None:
        """Start on the same data and port and wait until it answers; a running one stays as it is."""
        self._start_epmd()
        if self._process is None:
            with open(self._log, "ab") as log:
                self._process = subprocess.Popen(
                    # The server must not outlive a killed test session.
                    ["setpriv", "--pdeathsig", "KILL", str(SCRIPTS / "rabbitmq-server")],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                    env=self._environment,
                )  # fmt: skip
        eventually(self._answers, START_DEADLINE_S, "RabbitMQ answers")

    def mend(self) -> None:
        """Well for the next test, whatever the last one did to it and did not undo."""
        if self._harmed:
            self.kill()
        self.start()

    def kill(self) -> None:
        """Kill -9, as a power cut of the machine it runs on; what it confirmed is still in its data."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(START_DEADLINE_S)
            self._process = None
        self._harmed = False

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        self._harmed = True
        signals.send(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        signals.send(self.pid, signal.SIGCONT)
        self._harmed = False

    def stop_app(self) -> None:
        """End RabbitMQ within its running node: connections are closed in order."""
        self._harmed = True
        self._told("rabbit", "stop")

    def start_app(self) -> None:
        """Begin it again."""
        self._told("rabbit", "start")
        eventually(self._answers, START_DEADLINE_S, "RabbitMQ answers")
        self._harmed = False

    def raise_alarm(self) -> None:
        """A memory alarm: who publishes is blocked."""
        self._harmed = True
        self._told("vm_memory_monitor", "set_vm_memory_high_watermark", '{absolute,"1"}')

    def clear_alarm(self) -> None:
        self._told("vm_memory_monitor", "set_vm_memory_high_watermark", "0.6")
        self._harmed = False

    def delete_queue(self, queue: str) -> None:
        self.control("delete_queue", queue)

    def change_password(self, password: str, user: str = USER) -> None:
        self._told(_USERS, "change_password", _text(user), _text(password), _ACTING)

    def add_user(self, user: str, password: str, vhost: str = "/") -> None:
        """A user with all rights in one virtual host, which is made."""
        if vhost != "/":
            self.control("add_vhost", vhost)
        self._told(_USERS, "add_user", _text(user), _text(password), _ACTING)
        self.permit(user, ".*", ".*", ".*", vhost=vhost)

    def permit(self, user: str, *patterns: str, vhost: str = "/") -> None:
        """The user's rights from now on: what it may configure, write and read."""
        named = map(_text, (user, vhost, *patterns))
        self._told(_USERS, "set_permissions", *named, _ACTING)

    def queues(self, *columns: str) -> list[list[str]]:
        """`rabbitmqctl list_queues` of these columns."""
        listed = self.control("list_queues", "--quiet", "--no-table-headers", *columns)
        return [line.split("\t") for line in listed.splitlines()]

    def unacknowledged(self) -> int:
        """Deliveries that no consumer has acknowledged so far."""
        listed = self.control("list_channels", "--quiet", "--no-table-headers", "messages_unacknowledged")
        return sum(map(int, listed.split()))

    def control(self, *arguments: str) -> str:
        """`rabbitmqctl` on this node; what it printed."""
        done = subprocess.run(
            [str(SCRIPTS / "rabbitmqctl"), "--node", self._node, *arguments],
            env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=START_DEADLINE_S,
        )  # fmt: skip
        assert done.returncode == 0, f"rabbitmqctl {arguments[0]}: {done.stdout[-500:]}{done.stderr[-500:]}"
        return done.stdout

    def _told(self, module: str, function: str, *arguments: str) -> None:
        """PERF: a call of the node's own functions, in Erlang's words: rabbitmqctl takes a second a time."""
        call = f"{module}:{function}({', '.join(arguments)}).\n"
        cookie = (self.directory / "home" / ".erlang.cookie").read_text()
        address = f"127.0.0.1:{self._environment['RABBITMQ_DIST_PORT']}"
        done = subprocess.run(
            ["erl_call", "-address", address, "-c", cookie, "-timeout", f"{START_DEADLINE_S:g}", "-e"],
            input=call, capture_output=True, text=True, check=False, timeout=START_DEADLINE_S,
        )  # fmt: skip
        assert done.stdout == "{ok, ok}", f"{call}: {done.stdout[-500:]}{done.stderr[-500:]}"

    def close(self) -> None:
        """End everything."""
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
            self._epmd = None

    @property
    def _log(self) -> Path:
        return self.directory / "server.log"

    def _start_epmd(self) -> None:
        """Erlang's own would go into the background and stay there for ever."""
        if self._epmd is None:
            self._epmd = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "epmd", "-address", "127.0.0.1"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env=self._environment, start_new_session=True,
            )  # fmt: skip

    def _answers(self) -> bool:
        """Do all its listeners? They are begun one after another, as the last thing of its start."""
        assert self._process is not None
        if self._process.poll() is not None:
            raise ServerUnavailable(
                f"RabbitMQ ended at start: {self._log.read_text(errors='replace')[-1500:]}"
            )
        return _greets(self.port) and all(map(_serves_tls, self._guarded))

    def _made_environment(self, dist_port: int, erlang: str) -> dict[str, str]:
        known = {
            name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ", "ERL"))
        }
        directory = self.directory
        return known | {
            "HOME": str(directory / "home"),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_CRASH_DUMP": str(self.directory / "erl_crash.dump"),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(dist_port),
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
            "RABBITMQ_MNESIA_BASE": str(directory / "data"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(directory / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{erlang} -kernel inet_dist_use_interface {{127,0,0,1}}",
            # Without it the script waits for its server instead of becoming it.
            "RABBITMQ_ALLOW_INPUT": "true",
            "RABBITMQ_SERVER_START_ARGS": "-noinput",
        }


def _greets(port: int) -> bool:
    """Who says that it speaks AMQP."""
    try:
        with socket.create_connection(("127.0.0.1", port), 2.0) as stream:
            stream.sendall(b"AMQP\x00\x00\x09\x01")
            return bool(stream.recv(1))
    except OSError:
        return False


def _serves_tls(address: str) -> bool:
    """Does a handshake end as TLS says, be it in an alert? One that has just begun to listen may hang up."""
    host, _, port = address.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((host, int(port)), 10.0) as stream, context.wrap_socket(stream):
            return True
    except ssl.SSLError as refused:
        return "ALERT" in (refused.reason or "")
    except OSError:
        return False


def _text(text: str) -> str:
    """As Erlang writes it."""
    assert not set(text) & set('"\\'), text
    return f'<<"{text}">>'
