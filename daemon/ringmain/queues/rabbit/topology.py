"""The queues that RabbitMQ shall hold for us: the arguments of each, and what to say when one is otherwise.

Publisher, taker, dead set and the depths enter. A queue is declared when it is first needed and never
removed; names are read by queues.names. Declaring one that is there with other arguments changes nothing and
is refused by the broker: that is said with both sets of arguments and waits for a person.

    ready, overflow, dead      durable
    delay.N                    one TTL of N seconds for all in it, then dead-lettered to its ready queue
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pika import spec

from ringmain.queues import names
from ringmain.types import QueueType

DELIVERY_LIMIT = 1_000_000
"""In effect none. LOSS: without the argument RabbitMQ 4 drops a message that was given back 20 times."""

_QUORUM_SINCE = (3, 8)
_NO_QUORUM_REMEDY = 'take RabbitMQ 3.8 or later, or set queues.type = "classic" before the first message'
_FLAG_DISABLED = re.compile(r"'quorum'.*feature flag is disabled")
_TOO_LARGE = re.compile(r"larger than.*?(\d+)\D*$")


class Topology(NamedTuple):
    """What kind of queues this deployment uses."""

    kind: QueueType

    def arguments(self, queue: str) -> dict[str, Any]:
        """The arguments of this queue."""
        place = names.parse(queue)
        if place.kind == "delay":
            ready = names.ready(place.app, place.route, place.channel)
            return {"x-queue-type": self.kind, **self._delay(place.delay_s, ready)}
        if self.kind == "quorum":
            return {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT}
        return {"x-queue-type": "classic"}

    def _delay(self, delay_s: int, ready: str) -> dict[str, Any]:
        """LOSS: dead-lettering is at most once unless told so, and that needs reject-publish."""
        arguments: dict[str, Any] = {
            "x-message-ttl": delay_s * 1000,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": ready,
        }
        if self.kind == "quorum":
            arguments |= {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}
        return arguments

    def needed(self, queue: str) -> Sequence[str]:
        """What must be there before anything is published to `queue`: a delay queue's target, and itself."""
        place = names.parse(queue)
        if place.kind == "delay":
            return names.ready(place.app, place.route, place.channel), queue
        return (queue,)

    def declare(self, queue: str) -> spec.Queue.Declare:
        """The method that makes the queue, or finds that it is there with these arguments."""
        return spec.Queue.Declare(queue=queue, durable=True, arguments=self.arguments(queue))

    def unable(self, product: str, version: str) -> str:
        """Why this broker cannot have such queues at all; an old one takes the argument and makes others."""
        first, _, rest = version.partition(".")
        known = product == "RabbitMQ" and first.isdecimal() and rest.partition(".")[0].isdecimal()
        if self.kind != "quorum" or not known:
            return ""
        if (int(first), int(rest.partition(".")[0])) >= _QUORUM_SINCE:
            return ""
        return f"RabbitMQ {version} has no quorum queues: {_NO_QUORUM_REMEDY}"

    def refusal(self, queue: str, close: spec.Channel.Close) -> str:
        """Why the broker did not take `declare(queue)`, for an operator: both sets of arguments, a remedy."""
        if close.reply_code != PRECONDITION_FAILED:
            return f"queue {queue} cannot be declared: {said_with_remedy(close, names.parse(queue).app)}"
        return (
            f"queue {queue} exists with other arguments: {said(close)}; ringmain declares it with "
            f"{_shown(self.arguments(queue))}: set queues.type to what it is, or empty and delete that queue"
        )


PRECONDITION_FAILED = 406
NOT_FOUND = 404


def exists(queue: str) -> spec.Queue.Declare:
    """The method that asks for a queue's DeclareOk (waiting messages, consumers) and makes nothing."""
    return spec.Queue.Declare(queue=queue, passive=True)


def _shown(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value!r}" for name, value in arguments.items())


def said(close: Any) -> str:
    """The broker's words in a Channel.Close or Connection.Close."""
    text = str(close.reply_text)
    return text if text.startswith(_WORD_OF.get(close.reply_code, "?")) else f"{close.reply_code} {text}"


def said_with_remedy(close: Any, app: str) -> str:
    """The same, and which rights are missing where it is about rights."""
    if close.reply_code != spec.ACCESS_REFUSED:
        return said(close)
    return f"{said(close)}; the user needs configure, write and read on {app}.*"


_WORD_OF: Mapping[int, str] = {403: "ACCESS_REFUSED", 404: "NOT_FOUND", 406: "PRECONDITION_FAILED"}


def no_quorum_queues(text: str) -> str:
    """What a broker means that ends the connection over a quorum queue; "" when it means something else."""
    if not _FLAG_DISABLED.search(text):
        return ""
    flag = "enable its feature flag quorum_queue"
    return f'RabbitMQ has quorum queues switched off: {flag}, or set queues.type = "classic"'


def message_limit(close: spec.Channel.Close) -> int | None:
    """The broker's own limit when it closed a channel for a message above it."""
    found = _TOO_LARGE.search(str(close.reply_text)) if close.reply_code == PRECONDITION_FAILED else None
    return int(found[1]) if found else None
