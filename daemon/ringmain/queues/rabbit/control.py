"""The nodes of an app among themselves: a fanout exchange, and for each listener a queue that goes with it.

The herald holds one. Nothing of the others is ever declared, changed or removed here. The queue has a name
that nobody else has: one of a connection that the broker still believes in would be locked.

    open -> joining (exchange, queue, binding, a word to ourselves, consumer) -> send, take
"""

import random
import uuid
from collections.abc import Sequence
from typing import Any

from pika import spec

from ringmain.clock import monotonic_s
from ringmain.queues import names
from ringmain.queues.backoff import Backoff
from ringmain.queues.contract import Away, Depth
from ringmain.queues.rabbit import amqp
from ringmain.queues.rabbit.access import Access
from ringmain.queues.rabbit.amqp import Delivered, Reply
from ringmain.queues.rabbit.connection import Connection, Event, Lost
from ringmain.queues.rabbit.dialogue import Dialogue, Script
from ringmain.queues.rabbit.gauge import Gauge
from ringmain.queues.rabbit.topology import exists, said_with_remedy

_TALKING, _COUNTING = 1, 2
_NO_PROPERTIES = b"\x00\x00"
_ARGUMENTS = {"x-queue-type": "classic", "x-max-length": 1000, "x-message-ttl": 60_000}
"""For a listener that stands still: what it does not hear in a minute it need not hear."""
_TRIAL = b""


class RabbitControl:
    """contract.Control over one connection of its own."""

    def __init__(self, app: str, access: Access, queues: Sequence[str]) -> None:
        self._app = app
        self._connection = Connection(access)
        self._talk = Dialogue(self._connection, _TALKING)
        self._gauge = Gauge(Dialogue(self._connection, _COUNTING), queues)
        self._heard: list[bytes] = []
        self._joined = False
        self._count_asked = False
        self._unheard: Away | None = None
        self._backoff = Backoff()

    def send(self, body: bytes) -> bool:
        """To the exchange, unconfirmed."""
        if not self._joined or self._connection.away():
            return False
        self._publish(body)
        return True

    def take(self) -> list[bytes]:
        """What was pushed."""
        heard, self._heard = self._heard, []
        return heard

    def pump(self) -> None:
        """Hear what came; join, if that was not done or did not go well."""
        for event in self._connection.pump():
            self._take_in(event)
        waits = self._joined or self._talk.busy or self._backoff.wait_s(monotonic_s()) > 0
        if self._connection.is_open and not waits:
            self._talk.run(self._join())
        if self._connection.is_open and self._count_asked:
            self._count_asked = False
            self._gauge.begin()

    def expect(self, queues: Sequence[str]) -> None:
        """For the next count."""
        self._gauge.expect(queues)

    def count(self) -> None:
        """With the next pump of an open connection: one question after another, while other things go on."""
        self._count_asked = True

    def counted(self) -> dict[str, Depth] | None:
        """Without what takers hold: AMQP does not tell, nor how old anything is."""
        return self._gauge.counted()

    def fileno(self) -> int | None:
        """The connection's."""
        return self._connection.fileno()

    def timeout_s(self) -> float | None:
        """The connection's, or the next try to join."""
        pause_s = self._connection.timeout_s()
        if self._joined or not self._connection.is_open or self._talk.busy:
            return pause_s
        return min(pause_s, self._backoff.wait_s(monotonic_s()))

    def away(self) -> Away | None:
        """No connection, or one that is blocked."""
        return self._connection.away()

    def unheard(self) -> Away | None:
        """The broker refuses what joining needs."""
        return self._unheard

    def close(self) -> None:
        """Let go; the broker removes our queue."""
        self._connection.close()

    def _take_in(self, event: Event) -> None:
        if isinstance(event, Delivered):
            if event.body != _TRIAL:
                self._heard.append(event.body)
        elif isinstance(event, Reply) and event.channel == _COUNTING:
            self._gauge.answer(event.method)
        elif isinstance(event, Reply):
            self._reply(event.method)
        elif isinstance(event, Lost):
            self._talk.drop()
            self._gauge.drop()
            self._joined = False

    def _reply(self, method: Any) -> None:
        if self._talk.answer(method):
            return
        if isinstance(method, spec.Channel.Close):
            self._refused(method)
        elif isinstance(method, spec.Basic.Cancel):  # somebody deleted our queue
            self._joined = False

    def _join(self) -> Script:
        exchange = names.control(self._app)
        queue = names.control_queue(self._app, uuid.uuid4().hex[:12])
        for method in (
            spec.Exchange.Declare(exchange=exchange, type="fanout", durable=True),
            spec.Queue.Declare(queue=queue, exclusive=True, auto_delete=True, arguments=_ARGUMENTS),
            spec.Queue.Bind(queue=queue, exchange=exchange, routing_key=""),
            spec.Basic.Consume(queue=queue, consumer_tag=queue, no_ack=True, exclusive=True),
        ):
            answer = yield method
            if isinstance(answer, spec.Channel.Close):
                self._refused(answer)
                return
        self._publish(_TRIAL)
        answer = yield exists(queue)  # a word that is refused closes the channel before this is answered
        if isinstance(answer, spec.Channel.Close):
            self._refused(answer)
            return
        self._joined, self._unheard = True, None
        self._backoff.succeeded()

    def _publish(self, body: bytes) -> None:
        method = spec.Basic.Publish(exchange=names.control(self._app), routing_key="")
        content = amqp.content(_TALKING, _NO_PROPERTIES, body, self._connection.frame_bytes)
        self._connection.send(amqp.method(_TALKING, method), *content)

    def _refused(self, close: spec.Channel.Close) -> None:
        self._joined = False
        self._backoff.failed(monotonic_s(), random.random())
        since_s = self._unheard.since_s if self._unheard else monotonic_s()
        where, why = self._connection.address, said_with_remedy(close, self._app)
        self._unheard = Away(f"RabbitMQ at {where} refuses {names.control(self._app)}: {why}", since_s, True)
