"""One client that sends, with the way past its Python, and what stands for it in a process that was forked.

producing.py enters, and the outlets of transactions. Reports of both ways are served here: what Letters tell
comes with the client's own. No message is sent or judged here, and none waits.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from confluent_kafka import KafkaError, KafkaException, cimpl
from confluent_kafka import Producer as Client

from ringmain import _fastpath
from ringmain._fastpath import Letters, Posted
from ringmain.errors import AppError
from ringmain.kafka.reading import PLUGIN
from ringmain.kafka.silent import Silent

Told = Callable[[Any, int, int], None]
"""What became of one that somebody is to be told of: the delivery, librdkafka's code (0 = well), bytes."""
Nag = Callable[[KafkaError], None]
"""The client has trouble."""


class Mail:
    """A client, and its letters if there are any."""

    def __init__(self, client: Client, nag: Nag, told: Told, letters: Letters | None = None) -> None:
        self.client, self.letters, self._nag, self._told = client, letters, nag, told
        self._back = deque[tuple[Any, int, int]]()
        self.slow_because = ""
        """Why nothing goes past the client's Python; "" = it does, or is not wanted."""
        self.broken = False
        """Whether the client has said that it is beyond repair."""
        self.produce = client.produce

    def __len__(self) -> int:
        """Messages that have no report yet, or whose report nobody has heard."""
        return len(self.client) + len(self._back)

    def poll(self, timeout_s: float) -> bool:
        """Serve the reports that come within so long; whether there were any of the client's own."""
        return self._serve(self.client.poll, timeout_s) > 0

    def flush(self, timeout_s: float) -> None:
        """Send what waits for company, and serve the reports that come within so long."""
        self._serve(self.client.flush, timeout_s)

    def purge(self) -> None:
        """Give up what has no report yet: the next look finds one."""
        self.client.purge()

    def _serve(self, step: Callable[[float], int], timeout_s: float) -> int:
        try:
            served = step(timeout_s)
        except KafkaException as failed:
            # The client raises what is fatal to whoever happens to look; all is reported nevertheless.
            if not failed.args[0].fatal():
                raise
            self.broken, served = True, 1
            self._nag(failed.args[0])
        if self.letters is not None:
            self._back += self.letters.collect()
            while (one := self._next()) is not None:  # LOSS: should one raise, the next look tells the others
                self._told(*one)
        return served

    def _next(self) -> tuple[Any, int, int] | None:
        # ORDER: taken, not looked at first: another thread may serve reports as well.
        try:
            return self._back.popleft()
        except IndexError:
            return None


def mail(properties: Mapping[str, str], nag: Nag, told: Told, kind: type[Posted] | None) -> Mail:
    """A new client. Raises what it raises. `kind`: what its letters make; None = there are none."""
    letters = None if kind is None else Letters(kind)
    plugin = {PLUGIN: _fastpath.__file__} if letters and letters.bind(cimpl.__file__) else {}
    client = Client({"log_level": "0", **properties, **plugin, "error_cb": nag}, logger=Silent())
    if letters is None or letters.capture(client):
        return Mail(client, nag, told, letters)
    made = Mail(client, nag, told)
    made.slow_because = letters.reason
    return made


class Orphan:
    """What stands for a client in a process that a handler forked."""

    broken = False
    letters = None

    def __init__(self, name: str) -> None:
        self._name = name

    def __len__(self) -> int:
        return 0

    def produce(self, *_message: Any, **_more: Any) -> NoReturn:
        """Refused, and so is all the rest."""
        raise forked(self._name)

    poll = flush = purge = produce


def forked(name: str) -> AppError:
    """Why nothing is sent here."""
    return AppError(
        f"producer {name!r} cannot be used in a process that a handler forked: send in the handler"
    )
