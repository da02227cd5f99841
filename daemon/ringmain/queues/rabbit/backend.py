"""RabbitMQ as contract.Queues: hands out connections, tries one out, counts what waits.

Whoever is given the config's `[queues]` with backend "rabbitmq" enters, through queues.connect. Counting asks
for every queue that the config can make, and makes none.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from pika import spec

from ringmain.queues import names
from ringmain.queues.contract import Depth
from ringmain.queues.rabbit.access import Access
from ringmain.queues.rabbit.line import Line
from ringmain.queues.rabbit.publisher import RabbitPublisher
from ringmain.queues.rabbit.taker import RabbitTaker
from ringmain.queues.rabbit.topology import Topology, exists
from ringmain.retry import LADDER_S

if TYPE_CHECKING:
    from ringmain.queues.rabbit.control import RabbitControl
    from ringmain.queues.rabbit.deadset import RabbitDeadSet
    from ringmain.queues.rabbit.search import RabbitSearch

Home = tuple[str, str]
"""A route and a channel of it; "" = the route itself."""

_AT_ONCE = 100


class RabbitQueues:
    """All queues of one app in one virtual host."""

    def __init__(self, app: str, access: Access, topology: Topology, homes: Iterable[Home]) -> None:
        self._app = app
        self._access = access
        self._topology = topology
        self._homes = list(homes)

    def publisher(self) -> RabbitPublisher:
        """A connection that publishes."""
        return RabbitPublisher(self._access, self._topology)

    def taker(self, queues: Sequence[str]) -> RabbitTaker:
        """A connection that consumes."""
        return RabbitTaker(self._access, self._topology, queues)

    def control(self) -> "RabbitControl":
        """A connection that talks and counts."""
        from ringmain.queues.rabbit.control import RabbitControl

        return RabbitControl(self._app, self._access, list(self.every_queue()))

    def dead_set(self) -> "RabbitDeadSet":
        """A connection that looks."""
        from ringmain.queues.rabbit.deadset import RabbitDeadSet

        return RabbitDeadSet(self._app, self._access, self._topology, self._homes)

    def search(self) -> "RabbitSearch":
        """A connection that looks everywhere."""
        from ringmain.queues.rabbit.search import RabbitSearch

        return RabbitSearch(self._app, self._access, self._topology, self._homes)

    def try_out(self) -> None:
        """QueuesAway when no URL gives a connection now, a right is missing, or a queue is otherwise."""
        from ringmain.queues.rabbit.trial import Trial

        with closing(Line(self._access)) as line:
            there = [queue for queue, _ in _counted(line, list(self.every_queue()))]
            Trial(self._app, line, self._topology).run(there)

    def depths(self) -> dict[str, Depth]:
        """Every queue that has something waiting. What is held by takers AMQP does not tell."""
        with closing(Line(self._access)) as line:
            return {
                queue: Depth(messages, None, None)
                for queue, messages in _counted(line, list(self.every_queue()))
                if messages
            }

    def delete(self) -> None:
        """Delete every queue of the app with all that is in it: for what was a demonstration, or a test."""
        with closing(Line(self._access)) as line:
            line.ask(line.channel(), spec.Exchange.Delete(exchange=names.control(self._app)))
            every = list(self.every_queue())
            channels = line.channels(len(every))
            line.ask_all(
                [
                    (channel, spec.Queue.Delete(queue=queue))
                    for channel, queue in zip(channels, every, strict=True)
                ]
            )

    def every_queue(self) -> Iterator[str]:
        """The names that this config can make."""
        for route, channel in self._homes:
            yield names.ready(self._app, route, channel)
            yield names.dead(self._app, route, channel)
            if not channel:
                yield names.overflow(self._app, route)
            for step_s in LADDER_S:
                yield names.delay(self._app, route, step_s, channel)


def _counted(line: Line, queues: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Waiting messages of those that exist.

    PERF: many are asked in one round trip, each on a channel of its own: one that is not there closes it.
    """
    channels: list[int] = []
    for first in range(0, len(queues), _AT_ONCE):
        some = queues[first : first + _AT_ONCE]
        channels += line.channels(len(some) - len(channels)) if len(some) > len(channels) else []
        asked = list(zip(channels, some, strict=False))
        answers = line.ask_all([(channel, exists(queue)) for channel, queue in asked])
        for (channel, queue), answer in zip(asked, answers, strict=True):
            if isinstance(answer, spec.Queue.DeclareOk):
                yield queue, answer.message_count
            else:
                channels.remove(channel)
