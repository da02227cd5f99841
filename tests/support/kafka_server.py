"""A real Apache Kafka for tests and benches: one KRaft node on loopback, started, stopped and started again.

conftest.py and bench/ enter. Nothing here listens beyond loopback, and the server dies with the process
that started it.
"""

import signal
import socket
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

from support.kafka_client import KafkaClient
from support.kafka_jars import ServerUnavailable, kafka_classpath
from support.ports import free_ports
from support.waiting import eventually

START_DEADLINE_S = 60.0

# Quick start and small memory count here; a bench passes its own.
TEST_JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
BENCH_JVM = ("-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-Xshare:auto")

PROPERTIES: Mapping[str, object] = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    # A killed broker is let in again only when its old registration has timed out.
    "broker.session.timeout.ms": 2000,
    "broker.heartbeat.interval.ms": 400,
    "auto.create.topics.enable": "false",
    "num.network.threads": 2,
    "num.io.threads": 4,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 1,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 500,
    "group.consumer.min.session.timeout.ms": 500,
    "group.consumer.session.timeout.ms": 6000,
    "group.consumer.min.heartbeat.interval.ms": 100,
    "group.consumer.heartbeat.interval.ms": 500,
    "log.cleaner.backoff.ms": 200,
    "log.cleaner.dedupe.buffer.size": 8388608,
    "log.initial.task.delay.ms": 500,
}


class KafkaServer(KafkaClient):
    """One server on one data directory and one port, however often it is stopped and started."""

    def __init__(
        self, directory: Path, properties: Mapping[str, object] | None = None, jvm: tuple[str, ...] = TEST_JVM
    ) -> None:
        self.directory = directory
        self.port, self._controller_port = free_ports(2)
        super().__init__(f"127.0.0.1:{self.port}")
        self._jvm = jvm
        self._classpath = kafka_classpath()
        self._process: subprocess.Popen[bytes] | None = None
        self._config = directory / "server.properties"
        directory.mkdir(parents=True, exist_ok=True)
        self._write_config({**PROPERTIES, **(properties or {})})
        self._format()

    @property
    def pid(self) -> int:
        assert self._process is not None, "the Kafka server is not running"
        return self._process.pid

    def start(self) -> None:
        """Start on the same data and port and wait until the server answers; a running one stays as it is."""
        if self._process is None:
            with open(self._log, "ab") as log:
                self._process = subprocess.Popen(
                    # The server must not outlive a killed test session.
                    ["setpriv", "--pdeathsig", "KILL", *self._java("kafka.Kafka"), str(self._config)],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
        eventually(self._answers, START_DEADLINE_S, "the Kafka server answers")

    def stop(self) -> None:
        """Kill -9, as a power cut of the machine it runs on; what it acknowledged is still in its data."""
        self._end(signal.SIGKILL)

    def stop_gracefully(self) -> None:
        """A controlled shutdown, which tells clients; takes a few seconds."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        assert self._process is not None, "the Kafka server is not running"
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None, "the Kafka server is not running"
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.stop()
        self.forget_clients()

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        if how is not signal.SIGKILL:
            self._process.send_signal(signal.SIGCONT)
        self._process.wait(START_DEADLINE_S)
        self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise ServerUnavailable(f"the Kafka server ended at start: {self._log_tail()}")
        try:
            socket.create_connection(("127.0.0.1", self.port), 1.0).close()
        except OSError:
            return False
        return self.ready()

    @property
    def _log(self) -> Path:
        return self.directory / "server.log"

    def _log_tail(self) -> str:
        return self._log.read_text(errors="replace")[-1500:]

    def _java(self, main: str) -> list[str]:
        return ["java", *self._jvm, "-Djava.awt.headless=true", "-cp", self._classpath, main]

    def _write_config(self, properties: Mapping[str, object]) -> None:
        listeners = f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self._controller_port}"
        own = {
            "listeners": listeners,
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "log.dirs": str(self.directory / "data"),
        }
        lines = [f"{key}={value}\n" for key, value in {**properties, **own}.items()]
        self._config.write_text("".join(lines))

    def _format(self) -> None:
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode().replace("-", "A")
        arguments = ["format", "--cluster-id", cluster, "--config", str(self._config)]
        done = subprocess.run(
            [*self._java("kafka.tools.StorageTool"), *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise ServerUnavailable(
                f"kafka.tools.StorageTool format failed: {(done.stdout + done.stderr)[-800:]}"
            )
