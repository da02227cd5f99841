"""How a child of the supervisor lives: the codes it exits with and the link on which the two talk.

Every role and the supervisor enter. A child holds a `Link` (it reports and gets orders), the supervisor holds
the other end, a `Leash`. No message of a topic and no payload ever travels here, and neither end ever
blocks: what does not fit is refused and the sender says it again later.
"""

import contextlib
import ctypes
import errno
import os
import signal
import socket
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from ringmain.control import Client, Queue

OK = 0
"""Done: asked to stop, retired, or a short-lived child that has reported."""
CANNOT_BOOT = 70
"""It never came to work and would not next time either: an import that fails, a setting that is refused."""
FATAL = 71
"""A client (librdkafka, the queues) is beyond repair in this process; a new process may be well."""
RECYCLE = 72
"""A handler ended by its own limit (`max_messages`): nothing is lost, a fresh one is wanted at once."""
CRASHED = 73
"""An exception left the role's run()."""
STUCK = 74
"""A handler's call went on after it was cancelled; all others had ended, and its message has failed."""
UNSURE = 75
"""A handler does not know whether its last transaction stands: Kafka is asked. No message is at fault."""

_PACKET_BYTES = 1 << 18
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
WORD_BYTES = 1 << 16
"""The longest word among nodes: what is longer is neither said nor heard."""


def die_with(parent: int) -> None:
    """Have the kernel kill this process when `parent` ends. FORK: first thing in the child."""
    if _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it ended before the prctl
        os._exit(CRASHED)


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Finish what is begun and exit before `deadline_s` (monotonic clock)."""

    deadline_s: float


class Settle(msgspec.Struct, frozen=True, tag="settle"):
    """A feeder: finish and commit what is begun before `deadline_s`, and stay in the group: Stop follows."""

    deadline_s: float


class Quiet(msgspec.Struct, frozen=True, tag="quiet"):
    """Take nothing new; only Stop follows."""


class Retire(msgspec.Struct, frozen=True, tag="retire"):
    """A feeder: leave the group so that its partitions move, and exit before `deadline_s`.

    A courier: carry what is in hand and nothing more, another one follows.
    """

    deadline_s: float


class Announce(msgspec.Struct, frozen=True, tag="announce"):
    """A herald: tell it to the other nodes, if that can be done now."""

    body: bytes


class Expect(msgspec.Struct, frozen=True, tag="expect"):
    """A herald: these queues are there by now, count them as well."""

    queues: list[str]


class Paused(msgspec.Struct, frozen=True, tag="paused"):
    """A Kafka feeder: take nothing of these (topic, partition) pairs until told otherwise.

    A partition of -1 is all of the topic. Each one replaces the one before. What was taken is finished, and
    the partitions stay assigned.
    """

    everything: bool = False
    partitions: list[tuple[str, int]] = []


class Seek(msgspec.Struct, frozen=True, tag="seek"):
    """A Kafka feeder: read on at an offset, or since a time, or at an edge: answered by a Sought."""

    topic: str
    partition: int
    offset: int = -1
    since_ms: int = -1
    edge: str = ""


Order = Stop | Settle | Quiet | Retire | Announce | Expect | Paused | Seek


class Booted(msgspec.Struct, frozen=True, tag="booted"):
    """The role is at work. An `asynchronous` handler watches its calls itself; only its loop is watched."""

    asynchronous: bool = False


class Settled(msgspec.Struct, frozen=True, tag="settled"):
    """The answer to a Settle: all that was begun is committed, or its deadline has passed."""


class Status(msgspec.Struct, frozen=True, tag="status"):
    """What an operator should know of this child; the supervisor says any `state` but "ok" every minute."""

    state: str
    detail: str = ""


class GaveUp(msgspec.Struct, frozen=True, tag="gave-up"):
    """Last words of one that cannot boot or whose client is beyond repair."""

    reason: str


class Assigned(msgspec.Struct, frozen=True, tag="assigned"):
    """The (topic, partition) pairs that a feeder owns now, all of them; an empty list is a spare."""

    partitions: list[tuple[str, int]]


class Measured(msgspec.Struct, frozen=True, tag="measured"):
    """What a Kafka feeder's client says of itself, now and then."""

    client: Client


class Sought(msgspec.Struct, frozen=True, tag="sought"):
    """The answer to a Seek: the partition goes on at `offset`; with a `reason` nothing is different."""

    topic: str
    partition: int
    offset: int = -1
    reason: str = ""


class KillHandler(msgspec.Struct, frozen=True, tag="kill-handler"):
    """A feeder asks for the end of a handler of its route, e.g. one that runs past the revoke deadline."""

    seat: int
    cause: int
    detail: str = ""


class Scouted(msgspec.Struct, frozen=True, tag="scouted"):
    """The scout's word on one route; with a `reason`, Kafka could not be asked and the rest means nothing."""

    route: str
    partitions: int = 0
    nodes: int = 1
    message_limit_bytes: int = 0
    reason: str = ""
    members: dict[str, dict[str, list[int]]] = {}
    """Node of ours in the group -> topic -> partitions."""
    unowned: list[str] = []
    """Partitions that no member of the settled group owns: the first of them, as `topic/partition`."""
    nodes_before: int = 0
    """Of ours in the group, by name: whose turn it is first where all would do the same."""


class Probed(msgspec.Struct, frozen=True, tag="probed"):
    """The probe's word on the app; an empty `reason` means that it imports and fits the config."""

    reason: str = ""
    exit_code: int = OK
    unhandled: list[str] = []
    """Routes that need no handler (`through`) and have none."""
    mounted: bool = False
    """Whether it has HTTP routes of its own."""
    code: str = ""
    """Of the files that it was imported from: another word is other code."""


class Heard(msgspec.Struct, frozen=True, tag="heard"):
    """A herald heard this said among the nodes; whether it makes sense is not known yet."""

    body: bytes


class Depths(msgspec.Struct, frozen=True, tag="depths"):
    """A herald's count: every queue of the app that holds something, the steps of a delay added up."""

    queues: list[Queue]


class Declared(msgspec.Struct, frozen=True, tag="declared"):
    """A courier has seen these queues to be there."""

    queues: list[str]


Report = (
    Booted
    | Settled
    | Status
    | GaveUp
    | Assigned
    | KillHandler
    | Scouted
    | Probed
    | Heard
    | Depths
    | Declared
    | Sought
    | Measured
)

Sent = TypeVar("Sent")
Received = TypeVar("Received")


class _End(Generic[Sent, Received]):
    """One end of a SOCK_SEQPACKET pair: whole packets, never a half one, never blocking."""

    def __init__(self, sock: socket.socket, decode: Callable[[bytes], Received]) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._decode = decode
        self._encoder = msgspec.msgpack.Encoder()
        self.closed = False

    def send(self, message: Sent) -> bool:
        """Send one packet; False when the other end is gone or too far behind, or the packet is too large."""
        try:
            self._socket.send(self._encoder.encode(message))
        except BlockingIOError:
            return False
        except OSError as error:
            self.closed = error.errno != errno.EMSGSIZE  # too large is a reason to say less, not to hang up
            return False
        return True

    def receive(self) -> list[Received]:
        """All that has arrived; sets `closed` when the other end is gone. Foreign packets are dropped."""
        messages: list[Received] = []
        while not self.closed:
            try:
                packet = self._socket.recv(_PACKET_BYTES)
            except BlockingIOError:
                break
            except OSError:
                packet = b""
            if not packet:
                self.closed = True
                break
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
                messages.append(self._decode(packet))
        return messages

    def fileno(self) -> int:
        """Readable when something has arrived, or when the other end is gone."""
        return self._socket.fileno()

    def close(self) -> None:
        """Let go of this end; the other one sees `closed`."""
        self.closed = True
        self._socket.close()


class Link(_End[Report, Order]):
    """The child's end: reports out, orders in."""


class Leash(_End[Order, Report]):
    """The supervisor's end: orders out, reports in."""


def pair() -> tuple[Leash, Link]:
    """A connected (leash, link), made before the fork that parts them."""
    above, below = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    report: msgspec.msgpack.Decoder[Report] = msgspec.msgpack.Decoder(Report)
    order: msgspec.msgpack.Decoder[Order] = msgspec.msgpack.Decoder(Order)
    return Leash(above, report.decode), Link(below, order.decode)
