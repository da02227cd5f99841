"""Outlets where calls do not follow one another: on an event loop, and in the threads of a web worker.

Who runs such code enters. On the loop nothing ever blocks for Kafka's sake: what finds the queue full waits
in a line of its own, and reports are looked for every millisecond as long as any is due. In threads somebody
serves the reports all the time.
"""

import asyncio
import contextvars
import logging
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any

from confluent_kafka import KafkaException

from ringmain.errors import DeliveryFailed
from ringmain.kafka.mail import forked
from ringmain.kafka.producing import Boxes, KafkaDelivery, KafkaOutlet, Offer, Parts, Spell
from ringmain.producer import Delivery, Plain

LOOK_S = 0.001
_SERVE_S = 0.5
_log = logging.getLogger(__name__)


class LoopOutlet(KafkaOutlet):
    """For the calls of one event loop."""

    on_loop = True
    rushes = False

    def __init__(self, name: str, offer: Offer, outbox: Boxes, events: asyncio.AbstractEventLoop) -> None:
        super().__init__(name, offer, outbox)
        self._events = events
        self._thread = threading.get_ident()
        self._looking = False
        self._context = contextvars.Context()

    @property
    def waiting(self) -> int:
        """Also what has no room yet."""
        return super().waiting + len(self._line)

    @property
    def crowded(self) -> bool:
        """Nothing new as long as there is a line."""
        return bool(self._line) or super().crowded

    @property
    def plain(self) -> Plain:
        """As all others."""
        return partial(self.send, more=None)

    def send(
        self, topic: str, value: Any, key: bytes | str | None, more: Mapping[str, Any] | None
    ) -> Delivery:
        """Put one on its way, behind those that wait for room."""
        delivery = super().send(topic, value, key, more)
        if not self._looking:
            self._look_soon()
        return delivery

    def wait(self, delivery: Delivery, timeout_s: float | None) -> None:
        """In another thread: the loop serves the reports. On the loop: it stands until then."""
        if threading.get_ident() == self._thread:
            super().wait(delivery, timeout_s)
        else:
            wait_in_thread(self, delivery, timeout_s)

    def rush(self, timeout_s: float) -> None:
        """The line as well."""
        self._move_up()
        super().rush(timeout_s)

    def _look_soon(self) -> None:
        self._looking = True
        if threading.get_ident() == self._thread:
            self._events.call_later(LOOK_S, self._look, context=self._context)
        else:
            self._events.call_soon_threadsafe(self._look, context=self._context)

    def _look(self) -> None:
        # ORDER: said before the look: a thread that sends after it looks again itself.
        self._looking = False
        try:
            self.poll()
            self._move_up()
        finally:  # whoever was told may have raised
            if self.waiting and not self._looking:
                self._look_soon()

    def _when_full(self, message: Parts, delivery: KafkaDelivery, said: Spell) -> None:
        self.calm_down()
        self._line.append((message, delivery, said))

    def _move_up(self) -> None:
        while self._line:
            message, delivery, said = self._line[0]
            try:
                self._mail.produce(*message, on_delivery=delivery, **said)
            except BufferError:
                return
            except KafkaException as refused:
                self.refused(refused, message[0], message[1], delivery)
            except Exception as error:  # who sent it has gone on: nobody is there to be raised at
                reason = f"{type(error).__name__}: {error}"
                delivery.fail(DeliveryFailed(self.name, message[0], reason), self.complain)
            self._line.popleft()


class ThreadsOutlet(KafkaOutlet):
    """For any thread of a process; one of its own serves the reports."""

    rushes = False

    def __init__(self, name: str, offer: Offer, outbox: Boxes) -> None:
        super().__init__(name, offer, outbox)
        self._over = False
        threading.Thread(target=self._serve, name=f"producer {name}", daemon=True).start()

    def wait(self, delivery: Delivery, timeout_s: float | None) -> None:
        """The thread will say."""
        wait_in_thread(self, delivery, timeout_s)

    def close(self) -> None:
        """The thread goes as well."""
        self._over = True
        super().close()

    def _serve(self) -> None:
        while not self._over:
            try:
                self._mail.poll(_SERVE_S)
                self.poll()
            except Exception as error:  # without this thread nobody would hear of any delivery any more
                _log.error("a delivery report could not be served", exc_info=error)


def wait_in_thread(outlet: KafkaOutlet, delivery: Delivery, timeout_s: float | None) -> None:
    """Until it is done, while somebody else serves the reports."""
    if outlet.orphaned:
        raise forked(outlet.name)
    told = threading.Event()
    delivery.wake(told.set)
    if not told.wait(timeout_s):
        raise TimeoutError(f"producer {outlet.name!r}: not delivered within {timeout_s:g} s")
