"""What would go wrong with this RabbitMQ, asked before anything depends on it.

backend.py enters for `check --connect` and the demo. A queue that is there is declared as it must be, which
changes nothing; what is not there is not made. What is published goes into a lock's own queue and with it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pika import spec

from ringmain.errors import QueuesRefused
from ringmain.queues import names
from ringmain.queues.rabbit import amqp
from ringmain.queues.rabbit.line import Line
from ringmain.queues.rabbit.locks import Locks
from ringmain.queues.rabbit.topology import Topology, exists, said

PATIENCE_S = 15.0
"""How long it waits for those who look at the dead set: they hold the lock."""
_NO_PROPERTIES = b"\x00\x00"


class Trial:
    """One line on trial."""

    def __init__(self, app: str, line: Line, topology: Topology) -> None:
        self._line = line
        self._topology = topology
        self._locks = Locks(line, app)
        self._lock = names.scan_lock(app)
        self._channel = line.channel()

    def run(self, there: Sequence[str]) -> None:
        """QueuesRefused when we may make no queue or not publish, or one of `there` is not as it must be."""
        with self._a_queue():
            self._publish()
        found = [reason for queue in there for reason in self._misfit(queue)]
        if found:
            more = f" ({len(found) - 1} more are no better)" if len(found) > 1 else ""
            raise QueuesRefused(f"RabbitMQ at {self._line.where}: {found[0]}{more}")

    @contextmanager
    def _a_queue(self) -> Iterator[None]:
        self._locks.take_scan(PATIENCE_S)
        try:
            yield
        finally:
            self._locks.leave_scan()

    def _publish(self) -> None:
        content = amqp.content(self._channel, _NO_PROPERTIES, b"", self._line.frame_bytes)
        self._line.send(amqp.publish_method(self._channel, self._lock), *content)
        answer = self._line.ask(self._channel, exists(self._lock))
        if isinstance(answer, spec.Channel.Close):
            raise QueuesRefused(
                f"RabbitMQ at {self._line.where} lets us not publish: {said(answer)}; "
                "the user needs to write to amq.default"
            )

    def _misfit(self, queue: str) -> Iterator[str]:
        answer = self._line.ask(self._channel, self._topology.declare(queue))
        if isinstance(answer, spec.Channel.Close):
            self._line.reopen(self._channel)
            yield self._topology.refusal(queue, answer)
