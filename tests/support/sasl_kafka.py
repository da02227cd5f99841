"""A Kafka that also listens for clients with a password, which a test may change.

test_broker_*.py enter. Only the listener for the code under test asks for one; the test's own clients do not.
"""

from collections.abc import Mapping
from pathlib import Path

from support.kafka_server import KafkaServer
from support.ports import free_ports

USER = "ringmain"
_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"


class SaslKafka(KafkaServer):
    """One server with a second listener: SASL PLAIN without TLS."""

    def __init__(
        self, directory: Path, password: str, properties: Mapping[str, object] | None = None
    ) -> None:
        (self._sasl_port,) = free_ports(1)
        self._password = password
        self._given: Mapping[str, object] = {}
        super().__init__(directory, properties)

    @property
    def guarded(self) -> str:
        """The bootstrap address that asks for a password."""
        return f"127.0.0.1:{self._sasl_port}"

    def client_properties(self, password: str) -> dict[str, str]:
        """What a client needs to get in with this password."""
        return {
            "bootstrap.servers": self.guarded,
            "security.protocol": "sasl_plaintext",
            "sasl.mechanism": "PLAIN",
            "sasl.username": USER,
            "sasl.password": password,
        }

    def change_password(self, password: str) -> None:
        """Takes effect at the next start."""
        self._password = password
        self._write_config(self._given)

    def _write_config(self, properties: Mapping[str, object]) -> None:
        self._given = properties
        super()._write_config(properties)
        plain = f"PLAINTEXT://127.0.0.1:{self.port}"
        guarded = f"SASL_PLAINTEXT://{self.guarded}"
        more = {
            "listeners": f"{plain},{guarded},CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": f"{plain},{guarded}",
            "listener.security.protocol.map": (
                "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT"
            ),
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": (
                f'{_MODULE} required user_{USER}="{self._password}";'
            ),
        }
        with open(self._config, "a") as file:  # of two lines with one key the later one counts
            file.writelines(f"{key}={value}\n" for key, value in more.items())
