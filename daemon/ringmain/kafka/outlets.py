"""All producers of one process.

A handler process or a web worker makes one Outlets after its fork; a client comes to life with the first
message of its producer. Nothing is sent here.
"""

import os
import threading
from collections.abc import Callable, Iterable, Mapping

from ringmain.clock import monotonic_s
from ringmain.kafka.mail import forked
from ringmain.kafka.producing import WAIT_S, KafkaOutlet, Offer
from ringmain.producer import Producer


class Outlets:
    """All producers of one process."""

    def __init__(self, offers: Mapping[str, Offer], make: Callable[[str, Offer], KafkaOutlet]) -> None:
        self._offers, self._make = offers, make
        self._open: dict[str, KafkaOutlet] = {}  # never changed: a thread may open one while another looks
        self._opening = threading.Lock()
        self._orphaned = False
        os.register_at_fork(after_in_child=self._disown)

    def open(self, producer: Producer) -> KafkaOutlet:
        """The outlet of this producer; its client comes to life now."""
        name = producer.name
        if self._orphaned:
            raise forked(name)
        with self._opening:
            if name not in self._open:
                self._open = {**self._open, name: self._make(name, self._offers[name])}
        return self._open[name]

    @property
    def all(self) -> Iterable[KafkaOutlet]:
        """Those that were used."""
        return self._open.values()

    @property
    def crowded(self) -> bool:
        """Whether no new call should begin."""
        return any(one.crowded for one in self._open.values())

    @property
    def waiting(self) -> int:
        """Messages that have no report yet."""
        return sum(one.waiting for one in self._open.values())

    @property
    def behind(self) -> str:
        """The name of one that has such messages."""
        return next((one.name for one in self._open.values() if one.waiting), "")

    def poll(self, timeout_s: float = 0.0) -> None:
        """Serve the reports that are there; wait so long for the first."""
        if timeout_s:
            busy = [one for one in self._open.values() if one.waiting]
            for one in busy:
                one.poll(timeout_s / len(busy))
        else:
            for one in self._open.values():
                one.poll()

    def rush(self, timeout_s: float) -> None:
        """Send what waits for company, and serve what comes within so long."""
        if self._orphaned:
            raise forked(", ".join(self._open))
        busy = [one for one in self._open.values() if one.waiting]
        for one in busy:
            one.rush(timeout_s / len(busy))

    def flush(self, timeout_s: float) -> int:
        """Until all is delivered, or so long; what then has no report."""
        end_s = monotonic_s() + timeout_s
        while self.waiting and monotonic_s() < end_s:
            self.rush(max(0.0, min(WAIT_S, end_s - monotonic_s())))
        return self.waiting

    def close(self) -> None:
        """Give up what has no report."""
        for one in self._open.values():
            one.close()
        self._open = {}

    def _disown(self) -> None:
        self._orphaned = True
        for one in self._open.values():
            one.disown()
