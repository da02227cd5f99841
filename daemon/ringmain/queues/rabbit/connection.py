"""One AMQP connection that its owner's loop drives: opened, kept alive, opened again when it is lost.

Publisher, taker and line.py (for who may wait) hold one each. `pump` never waits and never raises: it returns
what happened, in order, and a connection that cannot be had is a state (`away`). No thread, no callback.

    events = connection.pump()   Opened, then Delivered | Confirm | Returned | Reply …, at last Lost
    connection.send(frames)      from amqp.py or `method()`; only while `is_open`

Between Opened and Lost all belongs to one life of the connection; what was in flight at Lost is unknown.
Channel 0 and heartbeats are dealt with here. Other channels are their owner's (dialogue.py): a Channel.Close
of the broker's is answered here, and the owner sees it as a Reply.
"""

import random
import select
import ssl
import struct
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pika import spec
from pika.exceptions import AMQPError

from ringmain.clock import monotonic_s
from ringmain.queues.backoff import Backoff
from ringmain.queues.contract import Away
from ringmain.queues.rabbit import amqp
from ringmain.queues.rabbit.access import Access, Address, tls_context
from ringmain.queues.rabbit.amqp import Reply
from ringmain.queues.rabbit.topology import no_quorum_queues, said
from ringmain.queues.rabbit.wire import SocketAddress, Wire, resolve

HEARTBEAT_S = 30
"""Asked for; the broker may want it shorter. Twice that without a sign of the broker ends a connection."""
OPEN_S = 15.0
"""Longest way from the first packet to an open connection."""
PARTING_S = 1.0
"""Longest wait for the broker's answer to the last word."""
FRAME_BYTES = 128 << 10
CHANNELS = 2047

_UNREADABLE = (AMQPError, struct.error, LookupError, ValueError)
_CAPABILITIES = (
    "authentication_failure_close", "basic.nack", "connection.blocked", "consumer_cancel_notify",
    "publisher_confirms",
)  # fmt: skip


class Opened(NamedTuple):
    """The connection is up: no channel is open yet, nothing is declared."""


class Lost(NamedTuple):
    """The connection is gone, and with it all that was in flight."""

    reason: str


Event = amqp.Event | Opened | Lost


class Connection:
    """Goes through the addresses in turn, with a pause that grows while none answers."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._backoff = Backoff()
        self._targets: Iterator[tuple[Address, SocketAddress]] = iter(())
        self._address = access.addresses[0]
        self._wire: Wire | None = None
        self._reader = amqp.Reader()
        self._events: list[Event] = []
        self._away: Away | None = None
        self._blocked: Away | None = None
        self._greeted = False
        self._heartbeat_s = 0.0
        self._opened_by_s = 0.0
        self._heard_s = 0.0
        self._sent_s = 0.0
        self.is_open = False
        self.broker = ("", "")
        """Product and version, as it says."""
        self.failures = 0
        """Attempts and connections that failed in a row."""
        self.frame_bytes = FRAME_BYTES
        """The largest frame that both sides take."""

    @property
    def address(self) -> Address:
        """Where it is, or was tried last."""
        return self._address

    def pump(self) -> Sequence[Event]:
        """Do what can be done now: connect, write, read, beat. Returns what happened, in order."""
        try:
            if self._wire is None:
                self._begin()
            elif not self._greeted:
                self._greet()
            if self._wire is not None and self._greeted:
                self._exchange()
        except OSError as error:
            self._lose(_words(error))
        events, self._events = self._events, []
        return events

    def send(self, *pieces: bytes) -> None:
        """Frames on their way, as far as the socket takes them; dropped when the connection is not open.

        LOSS: an error here is left to the next pump, which first hears what was received before it.
        """
        if self._wire is not None and self.is_open:
            self._sent_s = monotonic_s()
            self._try_to_say(*pieces)

    def fileno(self) -> int | None:
        """Readable when pump() has something to do; another one after each Lost."""
        return self._wire.fileno() if self._wire is not None else None

    def timeout_s(self) -> float:
        """Until the next attempt, the next heartbeat, or the moment when silence is the end."""
        now_s = monotonic_s()
        if self._wire is None:
            return self._backoff.wait_s(now_s)
        if not self.is_open:
            return max(0.0, self._opened_by_s - now_s)
        if not self._heartbeat_s:
            return OPEN_S
        next_s = min(self._sent_s + self._heartbeat_s / 2, self._heard_s + 2 * self._heartbeat_s)
        return max(0.0, next_s - now_s)

    def away(self) -> Away | None:
        """Why nothing goes through: it is not up, or the broker blocks those who publish (an alarm)."""
        return self._away or self._blocked

    def tried_all(self) -> bool:
        """Did every address fail at least once since the last success?"""
        return self.failures >= len(self._access.addresses)

    def close(self) -> None:
        """Let go at once: the broker sees the stream end, and puts back what was held."""
        if self._wire is not None:
            if self.is_open:
                self._try_to_say(amqp.method(0, spec.Connection.Close(200, "", 0, 0)))
            self._wire.close()
        self._wire, self.is_open = None, False

    def part(self) -> None:
        """Let go once the broker has heard everything (what was acked last must not come again), or soon."""
        if self._wire is None or not self.is_open:
            self.close()
            return
        self._try_to_say(amqp.method(0, spec.Connection.Close(200, "", 0, 0)))
        until_s = monotonic_s() + PARTING_S
        while self._wire is not None and (left_s := until_s - monotonic_s()) > 0:
            self.wait(left_s)
            self.pump()
        self.close()

    def wait(self, timeout_s: float) -> None:
        """Until pump() has something to do, for so long at most; for who has nothing else to wait on."""
        poll = select.poll()
        if self._wire is not None:
            poll.register(self._wire.fileno(), select.POLLIN)
        poll.poll(max(0.0, timeout_s) * 1000 + 1)

    # -- opening -----------------------------------------------------------------------------------------

    def _begin(self) -> None:
        now_s = monotonic_s()
        if self._backoff.wait_s(now_s) > 0:
            return
        target = next(self._targets, None)
        if target is None:
            self._targets = iter(self._resolved())
            target = next(self._targets)
        self._address, where = target
        self._opened_by_s = now_s + OPEN_S
        self._greeted, self._reader, self._blocked = False, amqp.Reader(), None
        context = tls_context(self._access.tls) if self._address.tls else None
        self._wire = Wire(where, context, self._address.host)

    def _resolved(self) -> list[tuple[Address, SocketAddress]]:
        """Every address of every URL, in the config's order; the last error when none has any."""
        found: list[tuple[Address, SocketAddress]] = []
        problem: OSError | None = None
        for address in self._access.addresses:
            self._address = address
            try:
                found += [(address, where) for where in resolve(address.host, address.port)]
            except OSError as error:
                problem = error
        if not found and problem is not None:
            raise problem
        return found

    def _greet(self) -> None:
        assert self._wire is not None
        if self._wire.is_up():
            self._greeted = True
            self._heard_s = monotonic_s()
            self._write([amqp.PROTOCOL_HEADER])
        elif monotonic_s() >= self._opened_by_s:
            raise TimeoutError(f"no answer within {OPEN_S:g} s")

    def _exchange(self) -> None:
        """ORDER: read before judging silence: a process that was busy finds what came meanwhile."""
        assert self._wire is not None
        data = self._wire.receive()
        if data:
            self._heard_s = monotonic_s()
            self._hear(data)
        if self._wire is not None:
            self._wire.flush()
            self._keep_alive()

    def _hear(self, data: bytes) -> None:
        try:
            events = self._reader.feed(data)
        except _UNREADABLE as error:
            raise ConnectionError(str(error)) from error
        for event in events:
            if self._wire is None:
                return
            if type(event) is Reply and (event.channel == 0 or isinstance(event.method, spec.Channel.Close)):
                self._obey(event)
            else:
                self._events.append(event)

    def _obey(self, event: Reply) -> None:
        method = event.method
        if isinstance(method, spec.Channel.Close):
            self._write([amqp.method(event.channel, spec.Channel.CloseOk())])
            self._events.append(event)
        elif isinstance(method, spec.Connection.Start):
            properties = method.server_properties or {}
            self.broker = (str(properties.get("product", "")), str(properties.get("version", "")))
            self._write([amqp.method(0, self._start_ok())])
        elif isinstance(method, spec.Connection.Tune):
            self._tune(method)
        elif isinstance(method, spec.Connection.OpenOk):
            self.is_open, self.failures, self._away = True, 0, None
            self._backoff.succeeded()
            self._events.append(Opened())
        elif isinstance(method, spec.Connection.Blocked):
            self._blocked = Away(f"RabbitMQ at {self._address} takes nothing: {method.reason}", monotonic_s())
        elif isinstance(method, spec.Connection.Unblocked):
            self._blocked = None
        elif isinstance(method, spec.Connection.CloseOk):
            raise ConnectionError("closed")
        elif isinstance(method, spec.Connection.Close):
            self._try_to_say(amqp.method(0, spec.Connection.CloseOk()))
            self._lose(self._closed_because(method))

    def _start_ok(self) -> spec.Connection.StartOk:
        properties = {
            "product": "ringmain",
            "connection_name": self._access.name,
            "capabilities": dict.fromkeys(_CAPABILITIES, True),
        }
        response = f"\0{self._address.username}\0{self._address.password}"
        return spec.Connection.StartOk(properties, "PLAIN", response, "en_US")

    def _tune(self, asked: spec.Connection.Tune) -> None:
        self.frame_bytes = min(asked.frame_max or FRAME_BYTES, FRAME_BYTES)
        heartbeat_s = min(asked.heartbeat or HEARTBEAT_S, HEARTBEAT_S)
        channels = min(asked.channel_max or CHANNELS, CHANNELS)
        self._heartbeat_s = float(heartbeat_s)
        self._write([amqp.method(0, spec.Connection.TuneOk(channels, self.frame_bytes, heartbeat_s))])
        self._write([amqp.method(0, spec.Connection.Open(self._address.vhost))])

    # -- life and end ------------------------------------------------------------------------------------

    def _keep_alive(self) -> None:
        assert self._wire is not None
        now_s = monotonic_s()
        if not self.is_open:
            if now_s >= self._opened_by_s:
                raise TimeoutError(f"no answer within {OPEN_S:g} s")
            return
        if not self._heartbeat_s:
            return
        if now_s - self._heard_s >= 2 * self._heartbeat_s:
            raise TimeoutError(f"not a sign of it for {now_s - self._heard_s:.0f} s")
        if now_s - self._sent_s >= self._heartbeat_s / 2 and not self._wire.unsent:
            self._write([amqp.HEARTBEAT])

    def _write(self, pieces: Sequence[bytes]) -> None:
        assert self._wire is not None
        self._sent_s = monotonic_s()
        self._wire.send(pieces)

    def _try_to_say(self, *pieces: bytes) -> None:
        assert self._wire is not None
        try:
            self._wire.send(pieces)
        except OSError:
            return  # the stream is over: the next pump finds that, or nobody needs to know

    def _lose(self, reason: str) -> None:
        if self._wire is not None:
            self._wire.close()
        was_open, self._wire, self.is_open = self.is_open, None, False
        self._blocked = None
        self.failures += 1
        now_s = monotonic_s()
        reason = reason if reason.startswith("RabbitMQ") else f"RabbitMQ at {self._address}: {reason}"
        self._away = Away(reason, self._away.since_s if self._away else now_s)
        self._backoff.failed(now_s, random.random())
        if was_open:
            self._events.append(Lost(reason))

    def _closed_because(self, close: spec.Connection.Close) -> str:
        user, vhost = self._address.username, self._address.vhost
        if close.reply_code == _ACCESS_REFUSED and not self.is_open:
            return f"RabbitMQ at {self._address} refuses user {user!r}: wrong password, or no such user"
        if not self.is_open:
            return f"RabbitMQ at {self._address} refuses virtual host {vhost!r} to {user!r}: {said(close)}"
        return no_quorum_queues(said(close)) or said(close)


_ACCESS_REFUSED = 403


def _words(error: Any) -> str:
    """What an OSError says, without its number."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate cannot be trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS with it: {error.reason or error}"
    text = error.strerror or str(error)
    return f"{text}: {error.filename}" if getattr(error, "filename", None) else text
