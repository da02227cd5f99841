"""Locks over all nodes: a queue that only one connection may have, and goes with that connection.

Dead set, hold and search enter. The broker frees the lock of a connection that ends, however it ends. Who
holds the dead set is said in a note, a queue of one message, that is worth something only while the lock is.
"""

import socket
from typing import Any

import msgspec
from pika import spec

from ringmain import clock
from ringmain.errors import DeadSetBusy, QueuesAway, QueuesRefused
from ringmain.queues import names
from ringmain.queues.contract import Holder
from ringmain.queues.entry import iso
from ringmain.queues.envelope import UNREADABLE
from ringmain.queues.rabbit import amqp
from ringmain.queues.rabbit.amqp import Delivered
from ringmain.queues.rabbit.line import Line
from ringmain.queues.rabbit.topology import said_with_remedy

_LOCKED = 405
_POLL_S = 0.05
_NOTE_S = 1.0
_NO_PROPERTIES = b"\x00\x00"
_NOTE_ARGUMENTS = {"x-queue-type": "classic", "x-max-length": 1}


class Locks:
    """The locks that a line's connection has, on a channel of their own."""

    def __init__(self, line: Line, app: str) -> None:
        self._line = line
        self._app = app
        self._channel = line.channel()

    def take_scan(self, patience_s: float) -> None:
        """Look alone; QueuesAway when others look for longer than that."""
        deadline_s = clock.monotonic_s() + patience_s
        while not self._take(names.scan_lock(self._app)):
            if clock.monotonic_s() >= deadline_s:
                raise QueuesAway(f"others have had the dead set in hand for over {patience_s:g} s: try again")
            clock.sleep_s(_POLL_S)

    def leave_scan(self) -> None:
        """Others may look."""
        self._ask(spec.Queue.Delete(queue=names.scan_lock(self._app)))

    def take_hold(self, who: str) -> None:
        """Act alone; DeadSetBusy when another does."""
        if not self._take(names.hold_lock(self._app)):
            holder = self._read_note() or Holder("somebody", "another connection", clock.wall_ms())
            raise DeadSetBusy(holder.who, holder.host, iso(holder.since_ms))
        self._write_note(Holder(who, socket.gethostname(), clock.wall_ms()))

    def leave_hold(self) -> None:
        """Others may act, at once: the broker notices the end of a connection a little later."""
        self._ask(spec.Queue.Delete(queue=names.hold_lock(self._app)))

    def _take(self, queue: str) -> bool:
        answer = self._ask(spec.Queue.Declare(queue=queue, exclusive=True, auto_delete=False))
        if not isinstance(answer, spec.Channel.Close):
            return True
        if answer.reply_code != _LOCKED:
            raise QueuesRefused(f"the lock {queue} cannot be had: {said_with_remedy(answer, self._app)}")
        return False

    def _write_note(self, holder: Holder) -> None:
        note = names.holder_note(self._app)
        self._ask(spec.Queue.Declare(queue=note, durable=True, arguments=_NOTE_ARGUMENTS))
        body = msgspec.json.encode(holder)
        frames = amqp.content(self._channel, _NO_PROPERTIES, body, self._line.frame_bytes)
        self._line.send(amqp.publish_method(self._channel, note), *frames)

    def _read_note(self) -> Holder | None:
        """The note goes back when its channel is closed."""
        channel = self._line.channel()
        answer = self._line.ask(
            channel, spec.Basic.Consume(queue=names.holder_note(self._app), consumer_tag="n")
        )
        if isinstance(answer, spec.Channel.Close):
            return None
        body = next((event.body for event in self._line.events(_NOTE_S) if type(event) is Delivered), b"")
        self._line.ask(channel, spec.Channel.Close(200, "", 0, 0))
        try:
            return msgspec.json.decode(body, type=Holder)
        except UNREADABLE:
            return None

    def _ask(self, method: Any) -> Any:
        """The answer; a channel that the broker closed over it is open again."""
        answer = self._line.ask(self._channel, method)
        if isinstance(answer, spec.Channel.Close):
            self._line.reopen(self._channel)
        return answer
